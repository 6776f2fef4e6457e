"""`goldenseed report`: what a run found, as a folder that opens in any browser."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands.options import AllowCode, AsJson, RunPath

Out = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", show_default="RUN/report",
    help="Folder to write: new, empty, or that of an earlier report.",
)]  # fmt: skip


def report(
    path: RunPath, *, out: Out = None, allow_code: AllowCode = False, as_json: AsJson = False
) -> None:
    """Write what a run found as web pages: open FOLDER/index.html in a browser.

    The folder needs no server and no network. What the run lacks is left out, and the report says
    which command makes it. Of a run with arms, each arm has a folder of its own.
    """
    from analysis.publish.report import write_report
    from goldenseed.output import tables
    from goldenseed.progress import note
    from goldenseed.steps import begin

    runs = begin.open_runs(path, allow_code=allow_code)
    folders = [out / run.root.name if out and len(runs) > 1 else out for run in runs]
    pages = []
    for run, folder in zip(runs, folders, strict=True):
        note(f"report of {run.root.name}: cutting thumbnails and estimating shares")
        pages.append(write_report(run, folder))
    if as_json:
        tables.print_json([str(page) for page in pages])
        return
    for page in pages:
        tables.line(f"report: {tables.short_path(page)}")
