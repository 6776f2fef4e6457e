"""Print what verification found."""

from typing import Any

from goldenseed.output import tables
from goldenseed.steps.verify import Checked


class Verification:
    """Counts the files that were read back, and keeps the damaged files.

    Attributes:
        checked: Number of shards and release files that were read back.
        problems: For each damaged file, its name, the problem, and whether it was set aside.
    """

    def __init__(self) -> None:
        self.checked = 0
        self.problems: list[dict[str, Any]] = []

    def add(self, file: Checked, *, set_aside: bool) -> None:
        """Count one file."""
        self.checked += 1
        if file.problem:
            row = {"name": file.name, "problem": file.problem, "set_aside": set_aside}
            self.problems.append(row)

    def print(self, *, as_json: bool) -> None:
        """Print the damaged files, or that there are none."""
        if as_json:
            tables.print_json({"checked": self.checked, "problems": self.problems})
            return
        for row in self.problems:
            tables.line(f"{row['name']}: {row['problem']}" + " (set aside)" * row["set_aside"])
        tables.line(self._conclusion())

    def _conclusion(self) -> str:
        if not self.problems:
            return f"{self.checked:,} files read back, all as their receipts say"
        advice = "repeat with --repair to set damaged shards aside"
        if any(row["set_aside"] for row in self.problems):
            advice = "`goldenseed run` makes the shards that were set aside again"
        return f"{len(self.problems):,} of {self.checked:,} files are damaged; {advice}"
