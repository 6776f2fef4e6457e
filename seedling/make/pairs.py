"""Make pairs of scene and mask for inpainting: `python -m seedling.make.pairs FOLDER`.

This writes true scenes of the small world, the slightly grown masks of their objects, and the
objects' names: the folder that `goldenseed prompts pairs` reads. With `--bands` the masks are bands
over the whole width with room for a sign. The world's signs are as wide as the image, so a model
can write one only in a band.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from seedling.files import say, write_json
from seedling.learning.conditions import band, draw_seen, first_and_last
from seedling.world.painting import SIDE
from seedling.world.vocabulary import OBJECTS

GROWN = 2
"""Number of pixels that a mask extends beyond its object."""
LEAST_ROWS = 44
"""Minimum height of a band in rows: room for a medium object and a sign (26 rows) next to it."""


def draw_pairs(count: int, *, seed: int) -> tuple[Tensor, Tensor, list[str]]:
    """Draw scenes with their masks.

    Args:
        count: Number of scenes.
        seed: Seed of the scenes.

    Returns:
        Images, float32 (count, 3, 64, 64) in 0..1; masks, bool (count, 64, 64); names of the
        objects.
    """
    images, masks, parts = draw_seen(count, seed=seed)
    grown = functional.max_pool2d(masks.float()[:, None], 2 * GROWN + 1, 1, GROWN)
    return images, grown[:, 0] > 0, [OBJECTS[int(label)] for label in parts[:, 0]]


def bands_of(masks: Tensor) -> Tensor:
    """Make bands over the whole width that cover the objects, at least `LEAST_ROWS` high.

    Args:
        masks: bool (B, 64, 64), at least one pixel true in each.

    Returns:
        bool (B, 64, 64); the object is in the middle unless the band touches the image border.
    """
    first, last = first_and_last(masks.any(2))
    extent = last + 1 - first
    height = extent.clamp_min(LEAST_ROWS)
    top = torch.minimum((first + extent // 2 - height // 2).clamp_min(0), SIDE - height)
    return band(top, top + height - 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--bands", action="store_true", help="masks with room for a sign")
    options = parser.parse_args(arguments)
    images, masks, names = draw_pairs(options.count, seed=options.seed)
    masks = bands_of(masks) if options.bands else masks
    for kind in ("images", "masks"):
        (options.folder / kind).mkdir(parents=True, exist_ok=True)
    stems = [f"{number:05d}" for number in range(len(names))]
    for stem, image, mask in zip(stems, images, masks, strict=True):
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(options.folder / "images" / f"{stem}.png")
        Image.fromarray(mask.byte().numpy() * 255).save(options.folder / "masks" / f"{stem}.png")
    write_json(options.folder / "objects.json", dict(zip(stems, names, strict=True)))
    say(f"{options.folder}: {len(names)} pairs")


if __name__ == "__main__":
    main()
