"""`goldenseed noise`: draw the starting noise of one seed, to use or to compare it elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands.options import AsJson
from pipeline.storage.address import local_path

Seed = Annotated[int, typer.Option(metavar="SEED", help="Seed, from 0 to 4294967295.")]
Shape = Annotated[
    str,
    typer.Option(
        metavar="C,H,W",
        help="Shape of one image's latents: channels, height, width. Stable Diffusion 2.0 has "
        "4,64,64 at 512 pixels.",
    ),
]
Spec = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Rule that turns seeds into noise: torch-cpu, philox, or philox-GPU (t4, rtx-3060, "
        "rtx-3090, rtx-4090, a100, h100).",
    ),
]
OutArray = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        parser=local_path,
        help="Also write the noise as a NumPy file, float32.",
    ),
]


def noise(
    seed: Seed, shape: Shape, *, spec: Spec = "torch-cpu", out: OutArray = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Draw the starting noise of a seed, and print values to compare other noise with.

    Two programs mean the same by a seed if the first 16 numbers, the mean and the standard
    deviation agree to within 1e-5.
    """
    from goldenseed.output import tables
    from goldenseed.steps.noise import parse_shape, write_noise
    from pipeline.noise import check_values, noise_spec

    sizes = parse_shape(shape)
    values = {"noise_spec": noise_spec(spec).name, **check_values(seed, sizes, spec)}
    if out is not None:
        write_noise(out, seed, sizes, spec)
    if as_json:
        tables.print_json(values)
        return
    for name, value in values.items():
        tables.line(f"{name}: {value}")
