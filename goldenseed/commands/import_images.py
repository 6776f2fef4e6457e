"""`goldenseed import`: make a run of images that somebody already has."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands.options import AsJson
from pipeline.storage.address import local_path

Source = Annotated[Path, typer.Argument(
    metavar="FOLDER", parser=local_path,
    help="Folder of images, or a .csv with the columns file, prompt, seed.",
)]  # fmt: skip
Out = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", parser=local_path,
    show_default="runs/NAME of the folder", help="Run folder to write.",
)]  # fmt: skip
Rank = Annotated[str, typer.Option(
    metavar="METRIC", show_default="none", help="Metric that `goldenseed rank` ranks the seeds by.",
)]  # fmt: skip
Features = Annotated[str, typer.Option(
    metavar="NAMES", help="Features that `goldenseed measure` measures, with commas between them.",
)]  # fmt: skip
Metrics = Annotated[str, typer.Option(
    metavar="NAMES", show_default="those of the features that need no model",
    help="Metrics that `goldenseed measure` computes, with commas between them.",
)]  # fmt: skip


def import_images(
    source: Source, *, out: Out = None, rank: Rank = "", features: Features = "appearance",
    metrics: Metrics = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a run of images that you already have. Draws no images.

    Reads prompt, seed and settings from the metadata of AUTOMATIC1111, SD.Next, ComfyUI, InvokeAI,
    Fooocus and goldenseed, from a table, or from names such as `a red horse/seed_7.png`. Each
    setting becomes a run; its largest part with all prompts for all seeds is what is ranked.
    """
    from goldenseed.output.imports import print_imports
    from goldenseed.steps.import_images import Measures, import_runs

    names = [tuple(filter(None, (n.strip() for n in t.split(",")))) for t in (features, metrics)]
    report = import_runs(source, out, Measures(names[0], names[1], rank))
    print_imports(report, as_json=as_json)
