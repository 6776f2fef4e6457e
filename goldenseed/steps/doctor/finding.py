"""Define the result of one check of a machine."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended.

    Attributes:
        OK: Nothing is missing.
        NOTE: Small models work; something larger would not, or would be slow.
        MISSING: No run can work before this is mended.
    """

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: What was looked at.
        state: How the check ended.
        found: What is there.
        advice: What to do; empty if nothing is to be done.

    Example:
        >>> Finding("GPU", State.NOTE, "none", "use a machine with one").as_dict()["state"]
        'note'
    """

    check: str
    state: State
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """The fields as a dictionary of text."""
        return {name: str(value) for name, value in asdict(self).items()}
