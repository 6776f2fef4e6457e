"""Measure `seedling-control` and draw a contact sheet: `python -m seedling.measure.control`.

Sentences and outlines come from scenes that were not used in training. The seedling draws each
sentence twice from one seed, with and without the ControlNet and the outline. The mask that the
segmenter finds is compared with the mask of the scene's object.
"""

import argparse
from pathlib import Path

import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from torch import Tensor

from seedling.files import FIGURES, WEIGHTS, say, write_json
from seedling.learning.conditions import control_images, draw_seen, outlines
from seedling.learning.relatives import BASE, Base, load_base
from seedling.measure.drawing import STEPS, draw
from seedling.measure.shares import accuracy, mean_of
from seedling.measure.sheets import write_sheet
from seedling.networks import segmenter
from seedling.networks.model import VARIANTS
from seedling.networks.recogniser import RECOGNISER, load_backbone, load_heads
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator
from seedling.train.control import NAME
from seedling.world.sentences import sentence
from seedling.world.vocabulary import OBJECTS

GUIDANCE = VARIANTS["seedling"].guidance
TOGETHER = 32
SHOWN = 16
"""Number of scenes on the sheet; its rows are outline, image with it, image without it."""


def draw_controlled(
    base: Base, folder: Path, prompts: list[str], seeds: list[int], conditions: Tensor
) -> Tensor:
    """Draw with the ControlNet.

    Args:
        base: The seedling.
        folder: Folder that contains `controlnet`.
        prompts: B sentences.
        seeds: B seeds.
        conditions: The outlines, float32 (B, 3, 64, 64), white on black.

    Returns:
        float32 (B, 3, 64, 64) in 0..1.
    """
    network = ControlNetModel.from_pretrained(folder / "controlnet", local_files_only=True)
    plain = new_pipe(base.vae, base.networks, scale=base.scale)
    pipe = StableDiffusionControlNetPipeline(**plain.components, controlnet=network.float())
    pipe.set_progress_bar_config(disable=True)
    batches = []
    for start in range(0, len(prompts), TOGETHER):
        batch = slice(start, start + TOGETHER)
        output = pipe(
            prompts[batch],
            conditions[batch],
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=[make_generator(seed) for seed in seeds[batch]],
            output_type="pt",
        )
        batches.append(output.images)
    return torch.cat(batches)


def overlap(images: Tensor, words: list[str], masks: Tensor) -> dict[str, float]:
    """Mean IoU of masks (B, 64, 64) and the segmenter's masks of the objects that words name."""
    predicted = segmenter.segment(*segmenter.load_segmenter(), images, words)
    both, either = (predicted & masks).sum(dim=(1, 2)), (predicted | masks).sum(dim=(1, 2))
    return mean_of((both / either).double())


def measure(base: Base, folder: Path, *, count: int, seed: int) -> tuple[dict[str, object], Tensor]:
    """Compare images drawn with and without an outline.

    Args:
        base: The seedling.
        folder: The ControlNet's folder.
        count: Number of scenes.
        seed: Seed of the scenes and of the images.

    Returns:
        Numbers for true scenes, images with the outline and images without: IoU with the scene's
        mask, and what the recogniser sees. The sheet, (3, 16, 3, 64, 64).
    """
    images, masks, parts = draw_seen(count, seed=seed)
    prompts = [sentence(row) for row in parts.tolist()]
    seeds = [seed * 10_000 + index for index in range(len(prompts))]
    conditions = control_images(outlines(masks))
    drawn = {
        "true": images,
        "outline": draw_controlled(base, folder, prompts, seeds, conditions),
        "plain": draw(
            new_pipe(base.vae, base.networks, scale=base.scale), prompts, seeds, guidance=GUIDANCE
        ),
    }
    words = [OBJECTS[row[0]] for row in parts.tolist()]
    judge = load_backbone(RECOGNISER), load_heads(RECOGNISER)
    figures: dict[str, object] = {
        name: {
            "iou": overlap(batch, words, masks),
            **{part: vars(share) for part, share in accuracy(batch, parts, *judge).items()},
        }
        for name, batch in drawn.items()
    }
    return figures, torch.stack([conditions, drawn["outline"], drawn["plain"]])[:, :SHOWN]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seed", type=int, default=83)
    parser.add_argument("--base", type=Path, default=BASE)
    parser.add_argument("--control", type=Path, default=WEIGHTS / NAME)
    parser.add_argument("--out", type=Path, default=FIGURES / NAME)
    options = parser.parse_args()
    base = load_base(options.base)
    figures, sheet = measure(base, options.control, count=options.count, seed=options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    write_sheet(sheet, options.out / "outlines.png")
    write_json(options.out / "figures.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
