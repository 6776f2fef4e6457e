"""`goldenseed status`, `shares` and `verify`: look into a run without changing its results."""

from typing import Annotated

import typer

from goldenseed.commands import exit_codes
from goldenseed.commands.options import AllowCode, AsJson, RunPlace

Repair = Annotated[bool, typer.Option(
    "--repair", help="Only set damaged files aside; `goldenseed repair` also makes them again.",
)]  # fmt: skip


Watch = Annotated[bool, typer.Option(
    "--watch",
    help="Print a line each 10 seconds, with rate and time left, until all images are drawn.",
)]  # fmt: skip


def status(path: RunPlace, *, watch: Watch = False, as_json: AsJson = False) -> None:
    """Say how far a run is, and what its studies found.

    Everything is read from the run folder, so any machine that sees it can tell.
    """
    from goldenseed.output.statuses import print_findings, print_statuses
    from goldenseed.steps import begin
    from goldenseed.steps.status import status_of
    from goldenseed.steps.watch import watch_runs

    if watch:
        watch_runs(lambda: begin.open_runs(path))
    statuses = [status_of(run) for run in begin.open_runs(path)]
    print_statuses(statuses, as_json=as_json)
    print_findings([status.studies for status in statuses if not as_json])


def shares(path: RunPlace, *, allow_code: AllowCode = False, as_json: AsJson = False) -> None:
    """Say how much of each measure's variance belongs to the seed, the prompt, and neither."""
    from analysis.seed_shares import share_table
    from goldenseed.output.shares import print_shares
    from goldenseed.steps import begin

    runs = begin.open_runs(path, allow_code=allow_code)
    tables = [(run.root.name, share_table(run)) for run in runs]
    print_shares(tables, as_json=as_json)


def verify(path: RunPlace, *, as_json: AsJson = False, repair: Repair = False) -> None:
    """Read every file that a result depends on back, and compare its hash.

    Ends with exit code 4 if anything is damaged. A run may be verified while it is drawn.
    """
    from goldenseed.output.verification import Verification
    from goldenseed.steps import begin
    from goldenseed.steps.verify.run_folder import RunFolder

    report = Verification()
    for folder in begin.run_folders(path):
        report.check(RunFolder(folder), repair=repair)
    report.print(as_json=as_json)
    if report.problems:
        raise typer.Exit(exit_codes.DAMAGED)
