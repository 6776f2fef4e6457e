"""Print what verification found."""

from collections.abc import Sequence
from typing import Any

from analysis.publish.pages.visible import visible
from analysis.publish.release.check import Findings
from goldenseed.output import tables
from goldenseed.steps.repair import Repaired
from goldenseed.steps.verify.checked import Checked
from goldenseed.steps.verify.run_folder import RunFolder
from pipeline.errors import counted
from pipeline.storage.leftovers import Leftover


class Verification:
    """Counts the files that were read back, and keeps the damaged files.

    Attributes:
        checked: Number of shards and release files that were read back.
        problems: For each damaged file, its name, the problem, and whether it was set aside.
        undrawn: Number of tiles that have no image shard yet.
        leftovers: The files that no result depends on.
    """

    def __init__(self) -> None:
        self.checked = 0
        self.problems: list[dict[str, Any]] = []
        self.undrawn = 0
        self.leftovers: list[Leftover] = []

    def check(self, folder: RunFolder, *, repair: bool) -> None:
        """Check all files of a run folder; with `repair`, set aside what can be made again."""
        for file in folder.check():
            self._add(file, set_aside=bool(file.problem) and repair and folder.repair(file))
        self.undrawn += folder.undrawn()
        self.leftovers += folder.leftovers()

    def _add(self, file: Checked, *, set_aside: bool) -> None:
        self.checked += 1
        if file.problem:
            row = {"name": file.name, "problem": file.problem, "set_aside": set_aside}
            self.problems.append(row)

    def print(self, *, as_json: bool) -> None:
        """Print the damaged files, or that there are none."""
        if as_json:
            tables.print_json(
                {
                    "checked": self.checked,
                    "problems": self.problems,
                    "undrawn": self.undrawn,
                    "leftovers": [leftover.key for leftover in self.leftovers],
                }
            )
            return
        for row in self.problems:
            tables.line(f"{row['name']}: {row['problem']}" + " (set aside)" * row["set_aside"])
        if self.undrawn:
            undrawn = counted(self.undrawn, "shard has", "shards have")
            tables.line(f"still being drawn: {undrawn} no images yet")
        if self.leftovers:
            size = tables.number_of_bytes(sum(leftover.bytes for leftover in self.leftovers))
            count = counted(len(self.leftovers), "leftover")
            tables.line(f"{count} ({size}), on which no result depends")
        tables.line(self._conclusion())

    def _conclusion(self) -> str:
        if not self.problems:
            return f"{counted(self.checked, 'file')} read back, as the hashes say"
        advice = "`goldenseed repair` makes again what it can"
        if any(row["set_aside"] for row in self.problems):
            advice = "`goldenseed repair` or `goldenseed run` makes again what was set aside"
        return f"{len(self.problems):,} of {counted(self.checked, 'file')} damaged; {advice}"


def print_findings(findings: Findings, *, as_json: bool) -> None:
    """Print what the check of a release found."""
    if as_json:
        problems = [{"name": name, "problem": text} for name, text in findings.problems]
        tables.print_json(
            {"checked": findings.checked, "problems": problems, "notes": findings.notes}
        )
        return
    for name, text in findings.problems:
        tables.line(f"{visible(name)}: {visible(text)}")
    for text in [*(f"compared: {what}" for what in findings.checked), *findings.notes]:
        tables.line(text)
    count = len(findings.problems)
    tables.line(f"{count:,} problem{'s' * (count != 1)} found" if count else "nothing is wrong")


def print_repairs(repairs: Sequence[Repaired], *, as_json: bool) -> None:
    """Print what was damaged, what was made again, and what is left."""
    if as_json:
        tables.print_json([done.as_dict() for done in repairs])
        return
    for done in repairs:
        for name, problem in done.damaged:
            tables.line(f"{name}: {problem}")
        for text in [*done.advice, *(f"no result: {error}" for error in done.errors)]:
            tables.line(text)
        for name, problem in done.left:
            tables.line(f"still damaged: {name}: {problem}")
        tables.line(_summary(done))


def _summary(done: Repaired) -> str:
    if not done.damaged and not done.drawn and not done.measured:
        return f"{done.run}: nothing is damaged"
    drawn = counted(done.drawn, "shard was", "shards were")
    measured = counted(done.measured, "shard was", "shards were")
    written = f"; {', '.join(done.written)} written again" if done.written else ""
    return f"{done.run}: {drawn} drawn again, {measured} measured again{written}"
