"""`goldenseed reference`: measure real images once, for the distances from them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands.options import AllowCode, AsJson, Executor, WorkerCount
from goldenseed.commands.sections import Group
from pipeline.errors import ConfigError
from pipeline.storage.address import local_path

app = typer.Typer(cls=Group, no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure real images once, as the reference of fid, kid and fd_dinov2."""


@app.command()
def build(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", parser=local_path, help="Folder of images, or Parquet with images."
        ),
    ],
    feature: Annotated[
        str, typer.Option(metavar="NAME", help="Feature to measure: inception, dinov2 or another.")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=local_path,
            show_default="$GOLDENSEED_REFERENCES/NAME.safetensors",
            help="File to write, with a name that ends in .safetensors.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="N",
            show_default="all",
            help="Number of images to measure, sampled by a hash of their names.",
        ),
    ] = None,
    size: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Side to which the middle square of each image is scaled: the size that the "
            "model draws. 0 leaves images as they are.",
        ),
    ] = 512,
    column: Annotated[
        str, typer.Option(metavar="NAME", help="Vector column of the feature, if it has several.")
    ] = "",
    executor: Executor = "ray",
    workers: WorkerCount = None,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
) -> None:
    """Measure real images with a feature. Repeat the command to continue after a stop.

    A JSON file next to the reference says which images were measured, and how.
    """
    from analysis.reference.parts import Plan
    from goldenseed.output import tables
    from goldenseed.steps.reference import build_reference
    from goldenseed.steps.steps import Workers
    from pipeline import registry

    registry.allow_code(allowed=allow_code)
    plan = Plan(source.absolute(), feature, size, column, count)
    about = build_reference(plan, _target(out, feature), Workers(executor, workers))
    if as_json:
        tables.print_json(about)
        return
    tables.line(
        f"{about['n']:,} images of {about['files']:,} files, {about['width']} numbers each "
        f"({about['feature_identity']}); {len(about['skipped']):,} skipped, "
        f"{about['converted_to_rgb']:,} converted to RGB, {about['enlarged']:,} enlarged, "
        f"{about['same_content']:,} with the same content as another"
    )


def _target(out: Path | None, feature: str) -> Path:
    """The file to write; the metric looks for the default one."""
    from analysis.metrics.base import REFERENCES_VARIABLE, reference_name

    folder = os.environ.get(REFERENCES_VARIABLE)
    if out is None and not folder:
        raise ConfigError(
            f"no file to write: give --out FILE.safetensors, or set {REFERENCES_VARIABLE} to a "
            f"folder of references"
        )
    target = out or Path(folder or "") / reference_name(feature)
    if target.suffix != ".safetensors":
        raise ConfigError(f"--out {target}: wanted a name that ends in .safetensors")
    return target
