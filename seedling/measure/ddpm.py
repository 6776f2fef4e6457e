"""Measure a diffusion model of pixels: `python -m seedling.measure.ddpm --model seedling-ddpm`.

The same seeds are drawn in several ways: by DDPM, and by DDIM with more and fewer steps and with
more and less step noise. Two numbers are given for each way. The Frechet distance to the world's
scenes says how good its images are. The difference from the first way's images of the same seeds
says what the starting noise alone decides: 0 if they are the same, 1 if they differ as the images
of two seeds do.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor
from torch.nn import functional

from seedling.files import CHECKPOINTS, FIGURES, say, write_json
from seedling.measure.evaluate import distances
from seedling.measure.shares import mean_of
from seedling.measure.sheets import write_sheet
from seedling.randomness import make_generator
from seedling.train.ddpm import MODELS, halved

TOGETHER = 64
SHOWN = 16
"""Number of seeds on the sheet; each row is one way of drawing."""


@dataclass(frozen=True)
class Way:
    """A way of drawing.

    Attributes:
        pipeline: Class in diffusers.
        steps: Number of steps.
        eta: Share of DDPM's step noise, in 0..1; None where the pipeline has no such argument.
    """

    pipeline: str
    steps: int
    eta: float | None = None


WAYS: Mapping[str, Mapping[str, Way]] = {
    "seedling-ddpm": {
        "ddim, 250 steps": Way("DDIMPipeline", 250, 0.0),
        "ddim, 50 steps": Way("DDIMPipeline", 50, 0.0),
        "ddim, 10 steps": Way("DDIMPipeline", 10, 0.0),
        "ddim, 50 steps, eta 0.2": Way("DDIMPipeline", 50, 0.2),
        "ddim, 50 steps, eta 0.5": Way("DDIMPipeline", 50, 0.5),
        "ddim, 50 steps, eta 1": Way("DDIMPipeline", 50, 1.0),
        "ddpm, 250 steps": Way("DDPMPipeline", 250),
    },
    "seedling-improved-ddpm": {
        "ddpm, 250 steps": Way("DDPMPipeline", 250),
        "ddpm, 50 steps": Way("DDPMPipeline", 50),
        "ddpm, 10 steps": Way("DDPMPipeline", 10),
    },
}
"""Model -> name -> way of drawing. A learned variance is drawn by DDPM alone: DDIM has its own."""


def draw(folder: Path, way: Way, seeds: list[int]) -> Tensor:
    """Draw the images of seeds.

    Args:
        folder: Folder of the published model.
        way: Way of drawing.
        seeds: B seeds.

    Returns:
        float32 (B, 3, 32, 32) in 0..1.
    """
    kind: Any = getattr(diffusers, way.pipeline)
    pipe = kind.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    noisy = {} if way.eta is None else {"eta": way.eta}
    batches = []
    for start in range(0, len(seeds), TOGETHER):
        generators = [make_generator(seed) for seed in seeds[start : start + TOGETHER]]
        drawn = pipe(
            batch_size=len(generators),
            generator=generators,
            num_inference_steps=way.steps,
            output_type="pt",
            **noisy,
        )
        batches.append(drawn.images)
    return torch.cat(batches)


def doubled(images: Tensor) -> Tensor:
    """Enlarge images (B, 3, 32, 32) to the 64 x 64 that the recognisers take."""
    return functional.interpolate(
        images, scale_factor=2, mode="bilinear", antialias=True, align_corners=False
    )


def difference(images: Tensor, others: Tensor) -> dict[str, float]:
    """Mean squared difference from others of the same seeds, relative to that of other seeds.

    Args:
        images: (B, 3, H, W), one image per seed.
        others: (B, 3, H, W), the same seeds drawn in another way.

    Returns:
        Mean with its 95 % interval, over seeds; the divisor counts as known.

    Example:
        >>> images = torch.rand(8, 3, 4, 4)
        >>> difference(images, images)["value"], difference(images, images.roll(1, 0))["value"]
        (0.0, 1.0)
    """
    same = (images - others).square().mean(dim=(1, 2, 3))
    unlike = (others - others.roll(1, 0)).square().mean()
    return mean_of((same / unlike).double())


def measure(
    folder: Path, ways: Mapping[str, Way], *, count: int, seed: int
) -> tuple[dict[str, object], Tensor]:
    """Draw the same seeds in each way and measure the images.

    Args:
        folder: Folder of the published model.
        ways: Name -> way of drawing; the others are compared with the first.
        count: Number of seeds.
        seed: Seed of the seeds and of the scenes that the images are compared with.

    Returns:
        The numbers of each way, and the sheet (ways, at most 16, 3, 32, 32).
    """
    seeds = list(range(seed * 10_000, seed * 10_000 + count))
    images = {name: draw(folder, way, seeds) for name, way in ways.items()}
    first = next(iter(images.values()))
    figures: dict[str, object] = {
        name: {
            "frechet_perceptual": distances(
                doubled(drawn), seed, prepared=lambda scenes: doubled(halved(scenes))
            ),
            "difference": difference(drawn, first),
        }
        for name, drawn in images.items()
    }
    return figures, torch.stack([drawn[:SHOWN] for drawn in images.values()])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--seed", type=int, default=91)
    parser.add_argument("--model", choices=MODELS, default="seedling-ddpm")
    parser.add_argument("--weights", type=Path, help="folder of the model; default: the card's")
    options = parser.parse_args()
    folder, out = options.weights or CHECKPOINTS / options.model, FIGURES / options.model
    figures, sheet = measure(folder, WAYS[options.model], count=options.count, seed=options.seed)
    out.mkdir(parents=True, exist_ok=True)
    write_sheet(sheet, out / "ways.png")
    write_json(out / "figures.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
