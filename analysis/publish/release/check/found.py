"""Collect what a check found."""

from dataclasses import dataclass, field


@dataclass
class Findings:
    """What was checked and what is wrong.

    Attributes:
        checked: What was compared, in words, in order.
        problems: (file, what is wrong with it).
        notes: What a reader must know although nothing is wrong.
    """

    checked: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, name: str, text: str) -> None:
        """Add what is wrong with a file."""
        self.problems.append((name, text))
