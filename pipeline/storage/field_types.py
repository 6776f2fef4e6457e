"""Checks that a dataclass that was read from JSON holds what its fields say."""

from dataclasses import fields
from typing import Any


def refuse_other_types(record: Any) -> None:  # noqa: ANN401 - any dataclass
    """Refuse a record in which a field has another type than its class says.

    Args:
        record: A dataclass whose fields are plain: texts, numbers, and mappings.

    Raises:
        ValueError: If one has; says which.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Point:
        ...     x: int
        >>> refuse_other_types(Point(1))
        >>> refuse_other_types(Point("1"))
        Traceback (most recent call last):
        ValueError: its x is no int: '1'
    """
    for field in fields(record):
        kind = field.type if isinstance(field.type, type) else dict
        value = getattr(record, field.name)
        if type(value) is not kind:
            raise ValueError(f"its {field.name} is no {kind.__name__}: {value!r:.80}")
