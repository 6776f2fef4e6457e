"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RunPath = Annotated[Path, typer.Argument(help="A run folder.")]
Executor = Annotated[str, typer.Option(help="Where stages run: ray or local.")]
WorkerCount = Annotated[int | None, typer.Option("--workers", min=1, help="Actors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
