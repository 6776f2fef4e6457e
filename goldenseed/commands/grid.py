"""`goldenseed grid`: all images of a run as one picture to zoom into."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldenseed.commands.options import AllowCode, AsJson, RunPath
from pipeline.storage.address import local_path

if TYPE_CHECKING:
    from analysis.publish.grid import GridPlan

Out = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", parser=local_path, show_default="RUN/report/grid",
    help="Folder to write: new, empty, or that of an earlier grid.",
)]  # fmt: skip
Cell = Annotated[int | None, typer.Option(
    "--cell", metavar="PIXELS", show_default="as the images, at most 128",
    help="Side of an image when zoomed in: 32, 64, 128 or 256.",
)]  # fmt: skip
DryRun = Annotated[bool, typer.Option(
    "--dry-run", help="Say how many files and bytes it will be, and write nothing.",
)]  # fmt: skip


def grid(
    path: RunPath, *, out: Out = None, cell: Cell = None, dry_run: DryRun = False,
    allow_code: AllowCode = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write all images of a run as one picture: open FOLDER/index.html and zoom in.

    Seeds are columns and prompts are rows, in the order of any measure. The size is said before
    anything is written. The folder needs no server and no network. An interrupted command
    continues when it is repeated. Of a run with arms, each arm has a folder of its own.
    """
    from analysis.publish.grid import plan_grid, write_grid
    from goldenseed.output import tables
    from goldenseed.progress import count_parts, note
    from goldenseed.steps import begin

    runs = begin.open_runs(path, allow_code=allow_code)
    folders = [out / run.root.name if out and len(runs) > 1 else out for run in runs]
    plans = [plan_grid(run, folder, cell=cell) for run, folder in zip(runs, folders, strict=True)]
    if as_json:
        tables.print_json([plan.__dict__ for plan in plans])
    for run, plan in zip(runs, plans, strict=True):
        (note if as_json else tables.line)(_words(plan))
        if not dry_run:
            page = write_grid(run, plan.folder, cell=cell, progress=count_parts("grid"))
            (note if as_json else tables.line)(f"grid: {tables.short_path(page)}")


def _words(plan: "GridPlan") -> str:
    from goldenseed.output import tables

    return (
        f"{plan.seeds:,} seeds x {plan.prompts:,} prompts, {plan.cell} pixels each: "
        f"{plan.files:,} files, about {tables.number_of_bytes(plan.bytes)}"
    )
