"""Reads YAML files that people write; messages give the line or the field of each mistake."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError, counted, nearest
from pipeline.storage.plain_yaml import AmbiguousValueError, load_plain
from pipeline.storage.yaml_loader import MAX_BYTES

Made = TypeVar("Made", bound=BaseModel)

MAX_PROBLEMS = 20
"""Problems of one file that a message lists."""


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Args:
        path: The file.
        what: What the file should hold, for the message ("a recipe").

    Raises:
        ConfigError: If it is unreadable, malformed (with the line), or not a mapping.
    """
    try:
        _refuse_long(path)
        fields = load_plain(path.read_text(encoding="utf-8"))
    except AmbiguousValueError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}, line {line}: {error.problem}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}, line {line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, OSError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise ConfigError(f"{path}: {what} is a mapping of named fields, and this file is not")
    return fields


def _refuse_long(path: Path) -> None:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ConfigError(
            f"{path} has {size:,} bytes, and a file of settings at most {MAX_BYTES:,}; is it the "
            f"right file?"
        )


def validated(
    kind: type[Made],
    fields: object,
    path: Path,
    *,
    synonym: Callable[[str], str] = lambda _: "",
) -> Made:
    """Make the object that a file describes, or report all its problems in one error.

    Args:
        kind: The class of the object.
        fields: The fields, as they were read.
        path: The file.
        synonym: Gives the field that an unknown name means in other programs, or "".

    Raises:
        ConfigError: If a field is unknown (with the nearest known one), missing, or out of range.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        problems = [_problem(item, kind, synonym) for item in error.errors()[:MAX_PROBLEMS]]
        more = error.error_count() - len(problems)
        problems += [f"and {more:,} more"] if more else []
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"{path}: {counted(error.error_count(), 'problem')}\n{lines}") from error


def _short(value: object) -> str:
    """Show a value in a message, cut if it is long."""
    cut = Repr()
    cut.maxlevel, cut.maxstring, cut.maxother = 3, 200, 200
    return cut.repr(value)


def _problem(item: Mapping[str, Any], kind: type[BaseModel], synonym: Callable[[str], str]) -> str:
    field = ".".join(str(part)[:80] for part in item["loc"])
    shown = _short(item["input"])
    if item["type"] == "extra_forbidden":
        return f"{field}: unknown field; {_hint(item['loc'], kind, synonym)}".rstrip("; ")
    if item["type"] == "missing":
        return f"{field}: Field required"  # what was found is the whole file
    if item["type"] in ("model_type", "model_attributes_type"):
        return f"{field}: wanted named fields, {{FIELD: VALUE, ...}} (found {shown})"
    return f"{field}: {item['msg']} (found {shown})"


def _hint(
    location: Sequence[int | str], kind: type[BaseModel], synonym: Callable[[str], str]
) -> str:
    """Suggest a field for an unknown one: of the same mapping if possible, or else of another."""
    name, mapping = str(location[-1])[:80], _mapping_at(kind, location[:-1])
    paths, meant = _paths(kind), synonym(name)
    close = [path for path in paths if meant and path.split(".")[-1] == meant]
    if meant in mapping.model_fields:
        hint = f"did you mean {meant!r}? "
    elif close:
        hint = f"did you mean {' or '.join(map(repr, close))}? "
    else:
        hint = nearest(name, mapping.model_fields) or _nearest_path(name, paths)
    others = "" if mapping is kind else f"its fields: {', '.join(mapping.model_fields)}"
    return f"{hint}{others}"


def _nearest_path(name: str, paths: Iterable[str]) -> str:
    """Suggest paths whose last field is near a name."""
    by_field = {path.split(".")[-1]: path for path in paths}
    hint = nearest(name, by_field)
    for field, path in by_field.items():
        hint = hint.replace(repr(field), repr(path))
    return hint


def _mapping_at(kind: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    """Find the class of the mapping at a location; keys of dictionaries and indices are passed."""
    for part in location:
        field = kind.model_fields.get(str(part))
        kind = (_model_in(field.annotation) if field else None) or kind
    return kind


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation
    """Find the first class of fields in an annotation such as `dict[str, Sampling]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _paths(kind: type[BaseModel]) -> list[str]:
    """List the fields of a class, and those of the mappings in it, with dots."""
    paths = list(kind.model_fields)
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            paths += [f"{name}.{field_name}" for field_name in inner.model_fields]
    return paths
