"""`goldenseed doctor`: say what this machine lacks, and how to get it."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands import exit_codes
from goldenseed.commands.options import AsJson

Folder = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FOLDER", show_default="the current folder", exists=True, file_okay=False,
        help="Folder in which runs will be written.",
    ),
]  # fmt: skip


def doctor(out: Folder = Path(), *, as_json: AsJson = False) -> None:
    """Say what this machine lacks for drawing and measuring, and how to get it.

    Ends with exit code 2 if something is missing that each run needs.
    """
    from goldenseed.output import tables
    from goldenseed.steps.doctor import State, examine

    findings = list(examine(out.absolute()))
    if as_json:
        tables.print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            tables.line(f"{finding.state:8} {finding.check}: {finding.found}")
            if finding.advice:
                tables.line(f"{'':8} -> {finding.advice}")
    if any(finding.state is State.MISSING for finding in findings):
        raise typer.Exit(exit_codes.BAD_INPUT)
