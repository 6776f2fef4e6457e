"""Print what an import found."""

from dataclasses import asdict
from pathlib import Path

from goldenseed.output import tables
from goldenseed.steps.import_images import ImportReport


def print_imports(report: ImportReport, *, as_json: bool) -> None:
    """Print the runs that an import made, and what it left out."""
    if as_json:
        tables.print_json(asdict(report))
        return
    rows = [
        {
            "run": str(tables.short_path(Path(arm.run))),
            "images": arm.images,
            "to rank": f"{arm.prompts:,} prompts x {arm.seeds:,} seeds",
            "beside": arm.rest,
            "settings": ", ".join(f"{k} {v[:40]}" for k, v in arm.settings.items()),
        }
        for arm in report.arms
    ]
    tables.print_rows(f"{report.files:,} image files of {report.source}", rows)
    for text in report.words:
        tables.line(text)
