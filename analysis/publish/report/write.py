"""Write the report: gather what the run holds, then put the page and its files in place."""

import os
from collections.abc import Mapping
from pathlib import Path

from analysis.publish.pages import D3, PLOT, Page, visible, write_page
from analysis.publish.report.available import attempt
from analysis.publish.report.facts import facts
from analysis.publish.report.findings import figure_files, findings, missing_text, pages
from analysis.publish.report.overview import overview, scatter
from analysis.publish.report.seed_table import seed_table
from analysis.publish.report.thumbnails import make_sheets
from analysis.publish.report.verdict import DECIDES, SMALL
from analysis.ranking.rank import read_ranking
from analysis.studies.results import plain
from pipeline.errors import RunError, StoreError
from pipeline.runs.layout import REPORT_FOLDER
from pipeline.runs.run import Run

HERE = Path(__file__).parent
INDEX = "index.html"
SHEETS = "images"
SCRIPTS = ("pictures", "charts", "overview", "seeds", "seed", "prompts", "maps", "studies", "views")
"""The scripts of the page, in the order in which they run."""


def write_report(run: Run, folder: Path | None = None) -> Path:
    """Write the report of a run.

    Whatever the run lacks is left out, and the report says which command makes it. The same run
    gives the same bytes.

    Args:
        run: The run.
        folder: Where to write; the folder `report` of the run if None. It must be new, empty, or
            hold an earlier report, whose files are replaced.

    Returns:
        The page, `index.html`.

    Raises:
        RunError: If the folder holds other files than a report.
        StoreError: If it cannot be written.
    """
    target = folder or run.store.path(REPORT_FOLDER)
    refuse_other_files(target)
    ranking, reason = attempt(run, lambda: read_ranking(run))
    thumbnails, sheets = make_sheets(run)
    listed = findings(run)
    files = {f"{SHEETS}/{name}": data for name, data in sheets.items()}
    files |= figure_files(run, listed)
    first = overview(run, ranking, reason)
    page = Page(
        template=HERE / "report.html.j2",
        title=f"{visible(run.recipe.name)}: what its seeds do",
        context={
            "facts": facts(run),
            "first": plain(first),
            "studies": listed,
            "rule": {"decides": DECIDES, "small": SMALL, "draws": first["draws"]},
            "grid": (target / "grid" / INDEX).exists(),
        },
        data={
            "thumbnails": thumbnails,
            "seeds": seed_table(run, ranking),
            "sets": scatter(ranking),
            "missing": {"text": missing_text(run)},
            "ends": (plain(first)["ranking"] or {}).get("ends", []),
            **{study: plain(part) for study, part in pages(run).items()},
        },
        scripts=[D3, PLOT, *(HERE / f"{name}.js" for name in SCRIPTS)],
        styles=[HERE / "report.css"],
    )
    _write_files(target, files)
    write_page(target / INDEX, page)  # last: an earlier page never loses a file that it shows
    _remove_others(target, files)
    return target / INDEX


def refuse_other_files(folder: Path) -> None:
    """Refuse a folder that somebody keeps other things in: files would be replaced.

    Args:
        folder: Where a report would be written.

    Raises:
        RunError: If the folder is a file, or holds other files than a report.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder} is a file; give a folder for the report")
    names = {path.name for path in folder.iterdir()} - {".grid.unfinished"}
    if names and INDEX not in names and names - {"grid", "figures", SHEETS}:
        raise RunError(
            f"{folder} holds other files ({', '.join(sorted(names)[:3])}); give a new folder or "
            f"that of an earlier report"
        )


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        for name, data in files.items():
            path = folder / name
            if not (path.is_file() and path.read_bytes() == data):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {os.strerror(error.errno or 0)}") from error


def _remove_others(folder: Path, files: Mapping[str, bytes]) -> None:
    """Remove what an earlier report wrote and this one does not need."""
    for kind in (SHEETS, "figures"):
        for path in (folder / kind).rglob("*.*"):
            if path.relative_to(folder).as_posix() not in files:
                path.unlink(missing_ok=True)
