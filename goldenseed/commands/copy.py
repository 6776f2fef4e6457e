"""`goldenseed copy`: copy a run between a disk and an object store."""

from dataclasses import asdict
from typing import Annotated

import typer

from goldenseed.commands.options import AsJson, RunPlace
from pipeline.storage.address import Address, place_of

Target = Annotated[Address, typer.Argument(
    metavar="TARGET", parser=place_of,
    help="New folder or address; or that of an earlier copy, which is brought up to date.",
)]  # fmt: skip


def copy(path: RunPlace, target: Target, *, as_json: AsJson = False) -> None:
    """Copy a run from a folder or an object store to another. Repeat the command to continue.

    `goldenseed verify TARGET` then reads every file back.
    """
    from goldenseed.output import tables
    from goldenseed.progress import note
    from goldenseed.steps.copy import copy_run

    copied = copy_run(path, target, note)
    if as_json:
        tables.print_json(asdict(copied))
        return
    tables.line(
        f"{copied.files:,} files ({tables.number_of_bytes(copied.bytes)}) copied to {copied.target}"
    )
