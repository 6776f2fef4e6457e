"""The result of a check, and how a check avoids mistaking work in progress for damage."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Checked:
    """One file that was read back.

    Attributes:
        name: Its key in the run folder.
        problem: What is wrong with it, and what to do if no command can mend it; empty if nothing
            is wrong.
        aside: The keys of the files that `--repair` sets aside, so that the next command makes them
            again; empty where no command can.
    """

    name: str
    problem: str = ""
    aside: tuple[str, ...] = ()


def look_twice(check: Callable[[], list[Checked]]) -> list[Checked]:
    """Check again where something is wrong, until two checks in a row agree.

    Another process may be at work on the run: between two of our reads it moves a file that we
    know, or puts a new one into its place. Such a state does not last, and damage does.
    """
    seen = check()
    while any(file.problem for file in seen) and seen != (again := check()):
        seen = again
    return seen
