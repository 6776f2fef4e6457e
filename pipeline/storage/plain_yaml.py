"""Reads YAML in which a plain value means what it seems to mean.

By the rules of YAML 1.1, `00123` is the number 83, `1:30` is 90, `off` is false, `1_000` is 1000,
and `1e3` is text. Here only decimal integers, decimal floats, true, false and null are more than
text, and what YAML 1.1 would read in another way is refused: people who write it may expect either.
"""

import re
from typing import Any

import yaml

from pipeline.storage.yaml_loader import LimitedLoader, load_limited

ID_LENGTH = 16
"""Prompts' ids are 16 hex digits. One of only digits, or of digits and an e, remains text."""

SHORT = rf"(?!.{{{ID_LENGTH},}}$)"

NUMBERS = {
    "tag:yaml.org,2002:int": r"[-+]?(0|[1-9][0-9]*)",
    "tag:yaml.org,2002:float": (
        rf"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|{SHORT}[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
    "tag:yaml.org,2002:bool": r"true|True|TRUE|false|False|FALSE",
    "tag:yaml.org,2002:null": r"~|null|Null|NULL|",
    "tag:yaml.org,2002:merge": r"<<",
}
"""Kind of a plain value -> how it is written."""

REFUSED = {
    "!zeros": (rf"{SHORT}[-+]?0[0-9]+", "starts with a zero, which YAML reads as base 8"),
    "!base": (rf"{SHORT}[-+]?0[xXbBoO][0-9a-fA-F_]+", "is not a decimal number"),
    "!underscores": (r"[-+]?[0-9][0-9]*_[0-9_]*(\.[0-9_]*)?", "is a number with underscores"),
    "!sexagesimal": (
        r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?",
        "is read by YAML as a number of base 60",
    ),
    "!switch": (
        r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF",
        "is read by YAML as true or false",
    ),
}
"""Kind of a plain value that is refused -> how it is written, and why it is refused."""


class PlainLoader(LimitedLoader):
    """Safe loader with the rules of this module."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - filled below, for this class only


class AmbiguousValueError(yaml.constructor.ConstructorError):
    """A plain value that YAML would read in a surprising way."""


def _refuse(loader: PlainLoader, node: yaml.ScalarNode) -> None:
    """Refuse a value with its line, and say what to write."""
    instead = {"!switch": "true or false", "!sexagesimal": "a decimal number"}
    write = instead.get(node.tag) or _decimal(node.value) or "a decimal number"
    raise AmbiguousValueError(
        problem=f"{node.value} {REFUSED[node.tag][1]}; write {write}, or '{node.value}' in quotes "
        f"for text",
        problem_mark=node.start_mark,
    )


def _decimal(text: str) -> str:
    """Give a number as decimal digits; empty if the text has other digits."""
    digits = text.replace("_", "")
    return str(int(digits)) if digits.lstrip("+-").isdigit() else ""


for _tag, _pattern in NUMBERS.items():
    PlainLoader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), None)
for _tag, (_pattern, _) in REFUSED.items():
    PlainLoader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), None)
    PlainLoader.add_constructor(_tag, _refuse)


def load_plain(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """Read YAML.

    Raises:
        yaml.YAMLError: If it is malformed, exceeds a limit, gives a key twice, or holds a value
            that people read in two ways.

    Example:
        >>> load_plain("{a: 1e3, b: 2026-11-30, c: [7, true, null]}")
        {'a': 1000.0, 'b': '2026-11-30', 'c': [7, True, None]}
    """
    return load_limited(text, PlainLoader)
