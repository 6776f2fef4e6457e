"""Reads YAML files that people write; messages give the line or the field of each mistake."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError, nearest
from pipeline.storage.plain_yaml import AmbiguousValueError, load_plain

Made = TypeVar("Made", bound=BaseModel)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Args:
        path: The file.
        what: What the file should hold, for the message ("a recipe").

    Raises:
        ConfigError: If it is unreadable, malformed (with the line), or not a mapping.
    """
    try:
        fields = load_plain(path.read_text(encoding="utf-8"))
    except AmbiguousValueError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}, line {line}: {error.problem}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}, line {line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise ConfigError(f"{path}: {what} is a mapping of named fields, and this file is not")
    return fields


def validated(kind: type[Made], fields: object, path: Path, *, also: Iterable[str] = ()) -> Made:
    """Make the object that a file describes, or report all its problems in one error.

    Args:
        kind: The class of the object.
        fields: The fields, as they were read.
        path: The file.
        also: Names of nested fields, for suggestions.

    Raises:
        ConfigError: If a field is unknown (with the nearest known one), missing, or out of range.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        known = sorted({*kind.model_fields, *also})
        lines = "\n".join(f"  {_problem(item, known)}" for item in error.errors())
        raise ConfigError(f"{path}: {error.error_count()} problem(s)\n{lines}") from error


def _problem(item: Mapping[str, Any], fields: Iterable[str]) -> str:
    field = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{field}: unknown field; {nearest(str(item['loc'][-1]), fields)}".rstrip("; ")
    if item["type"] == "missing":
        return f"{field}: Field required"  # what was found is the whole file
    if item["type"] in ("model_type", "model_attributes_type"):
        return f"{field}: wanted named fields, {{FIELD: VALUE, ...}} (found {item['input']!r})"
    return f"{field}: {item['msg']} (found {item['input']!r})"
