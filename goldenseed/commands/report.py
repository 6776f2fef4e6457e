"""`goldenseed report`: what a run found, as a folder that opens in any browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldenseed.commands.options import AllowCode, AsJson, RunPath
from pipeline.storage.address import local_path

if TYPE_CHECKING:
    from pipeline.runs.run import Run

MOST_GRID_BYTES = 50_000_000
"""A larger grid of all images is not made with the report, but by its own command."""

Out = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", parser=local_path, show_default="RUN/report",
    help="Folder to write: new, empty, or that of an earlier report.",
)]  # fmt: skip


def report(
    path: RunPath, *, out: Out = None, allow_code: AllowCode = False, as_json: AsJson = False
) -> None:
    """Write what a run found as web pages: open FOLDER/index.html in a browser.

    The folder needs no server and no network. The grid of all images is part of it, up to 50 MB;
    `goldenseed grid` makes larger ones. What the run lacks is left out, and the report says
    which command makes it. Of a run with arms, each arm has a folder of its own.
    """
    from analysis.publish.report import write_report
    from goldenseed.output import tables
    from goldenseed.progress import note
    from goldenseed.steps import begin
    from pipeline.runs.layout import REPORT_FOLDER

    runs = begin.open_runs(path, allow_code=allow_code)
    folders = [out / run.root.name if out and len(runs) > 1 else out for run in runs]
    pages = []
    for run, folder in zip(runs, folders, strict=True):
        _add_grid(run, folder or run.store.path(REPORT_FOLDER))
        note(f"report of {run.root.name}: cutting thumbnails and estimating shares")
        pages.append(write_report(run, folder))
    if as_json:
        tables.print_json([str(page) for page in pages])
        return
    for page in pages:
        tables.line(f"report: {tables.short_path(page)}")


def _add_grid(run: "Run", folder: Path) -> None:
    """Write the grid of all images beside the report, unless it is large."""
    from analysis.publish.grid import plan_grid, write_grid
    from analysis.publish.report import refuse_other_files
    from goldenseed.output import tables
    from goldenseed.progress import count_parts, note
    from pipeline.errors import RunError

    refuse_other_files(folder)
    try:
        plan = plan_grid(run, folder / "grid")
    except RunError as error:
        note(f"no grid of all images: {error}")
        return
    size = tables.number_of_bytes(plan.bytes)
    if plan.bytes > MOST_GRID_BYTES:
        note(f"no grid of all images, it takes about {size}: `goldenseed grid` makes it")
        return
    note(f"grid of {run.root.name}: {plan.files:,} files, about {size}")
    write_grid(run, plan.folder, progress=count_parts("grid"))
