"""Counts what an import leaves out, by the reason, with a few names of each."""

from collections import defaultdict
from collections.abc import Mapping

EXAMPLES = 3
"""Names that are kept of each reason."""


class Skipped:
    """What was left out or changed, and why.

    Example:
        >>> skipped = Skipped()
        >>> skipped.add("no seed", "a.png")
        >>> skipped.add("no seed", "b.png")
        >>> skipped.words
        ['2 x no seed: a.png, b.png']
    """

    def __init__(self) -> None:
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._examples: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, reason: str, name: str) -> None:
        """Count one file."""
        self._counts[reason] += 1
        if len(self._examples[reason]) < EXAMPLES:
            self._examples[reason].append(name[:200])

    def as_dict(self) -> Mapping[str, Mapping[str, object]]:
        """Reason -> count and examples; plain values for JSON."""
        return {
            reason: {"count": count, "examples": self._examples[reason]}
            for reason, count in self._counts.items()
        }

    @property
    def words(self) -> list[str]:
        """One line for each reason."""
        return [
            f"{count:,} x {reason}: {', '.join(self._examples[reason])}"
            f"{' ...' if count > EXAMPLES else ''}"
            for reason, count in self._counts.items()
        ]
