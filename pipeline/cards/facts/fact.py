"""Defines facts: values of a card with where each comes from, and values that nothing says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fact:
    """A value with its source.

    Attributes:
        value: The value of a field of a card.
        source: Where it comes from, in words.
    """

    value: Any
    source: str


@dataclass
class Facts:
    """What is known of a model, by the field of a card, and what must be asked for.

    Attributes:
        known: Field -> fact.
        unknown: Field -> why the files do not say it.
    """

    known: dict[str, Fact] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def say(self, name: str, value: Any, source: str) -> None:  # noqa: ANN401 - any field's value
        """Add a fact; what was said before stays."""
        self.known.setdefault(name, Fact(value, source))
        self.unknown.pop(name, None)

    def ask(self, name: str, why: str) -> None:
        """Say that a field must be asked for, unless it is known."""
        if name not in self.known:
            self.unknown[name] = why

    def value(self, name: str) -> Any:  # noqa: ANN401 - any field's value
        """Give the value of a known field.

        Raises:
            KeyError: If it is not known.
        """
        return self.known[name].value

    def values(self) -> Mapping[str, Any]:
        """Give all known values by field."""
        return dict(self._values())

    def _values(self) -> Iterator[tuple[str, Any]]:
        return ((name, fact.value) for name, fact in self.known.items())
