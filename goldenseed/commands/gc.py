"""`goldenseed gc`: remove files of a run that no result depends on any more."""

from typing import Annotated

import typer

from goldenseed.commands.options import AsJson, RunPlace
from pipeline.storage.address import place_of


def gc(
    path: RunPlace,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the files, and remove none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what interrupted commands have left in a run, and what was set aside as damaged.

    Results need none of these files. Shards, receipts and releases are never touched.
    """
    from goldenseed.output import tables
    from goldenseed.steps import begin
    from goldenseed.steps.gc import collect

    collected = [collect(run, dry_run=dry_run) for run in begin.open_runs(path)]
    if as_json:
        tables.print_json([one.as_dict() for one in collected])
        return
    rows = [
        {
            "run": tables.short_path(place_of(one.run)),
            "left by interruptions": f"{one.interrupted:,}",
            "size": tables.number_of_bytes(one.interrupted_bytes),
            "set aside": f"{one.set_aside:,}",
            "size of these": tables.number_of_bytes(one.set_aside_bytes),
        }
        for one in collected
    ]
    tables.print_rows("leftovers: counted" if dry_run else "leftovers: removed", rows)
