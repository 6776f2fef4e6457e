"""Write a recipe as YAML, with a comment beside each value that says where it comes from."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from pipeline.cards.facts.fact import Fact
from pipeline.storage.plain_yaml import load_plain

COLUMN = 40
"""Column at which comments begin, if the value is shorter."""

WIDTH = 100


def section(title: str, fields: Mapping[str, Fact]) -> list[str]:
    """Write a mapping of fields, each on a line with its source.

    Args:
        title: Name of the mapping.
        fields: Field -> value with its source.

    Returns:
        The lines.
    """
    lines = [f"{title}:"]
    for name, fact in fields.items():
        lines += _field(name, fact)
    return lines


def _field(name: str, fact: Fact) -> list[str]:
    text = f"  {name}: {flow(fact.value)}"
    comment = f"# {fact.source}"
    if len(text) + 2 + len(comment) <= WIDTH:
        return [f"{text:<{COLUMN}}{comment}" if len(text) < COLUMN else f"{text}  {comment}"]
    return [f"  {comment}", *_wrapped(name, fact.value, text)]


def _wrapped(name: str, value: Any, text: str) -> list[str]:  # noqa: ANN401 - any field's value
    """Write a value on one line, or else a long list as a block."""
    if len(text) <= WIDTH or not isinstance(value, list):
        return [text]
    return [f"  {name}:", *(f"  - {flow(item)}" for item in value)]


def flow(value: Any) -> str:  # noqa: ANN401 - any field's value
    """Write a value as YAML on one line.

    Example:
        >>> flow({"a": [1, "x"]}), flow(True), flow("1e3")
        ('{a: [1, x]}', 'true', '"1e3"')
    """
    dumped = _dumped(value, None)
    try:
        same = load_plain(dumped) == value
    except yaml.YAMLError:
        same = False
    return dumped if same else _dumped(value, '"')


def _dumped(value: Any, style: str | None) -> str:  # noqa: ANN401 - any field's value
    dumped: str = yaml.safe_dump(
        value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False,
        default_style=style,
    )  # fmt: skip
    return dumped.removesuffix("\n").removesuffix("\n...").strip()


def commented(lines: Iterable[str]) -> list[str]:
    """Write lines as comments."""
    return [f"# {line}".rstrip() for line in lines]
