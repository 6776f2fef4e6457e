"""Measure `seedling-control`: `python -m seedling.measure.control` writes figures and a sheet.

Scenes that nothing was trained on give sentences and outlines. The seedling draws each sentence
from one seed twice, once with the ControlNet and the outline; where the segmenter then finds the
object is compared with where the scene's own object stands.
"""

import argparse
from pathlib import Path

import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from torch import Tensor

from seedling.learning.conditions import control_pictures, draw_seen, outlines
from seedling.learning.relatives import BASE, Base, load_base
from seedling.measure.drawing import STEPS, draw
from seedling.measure.shares import accuracy, mean_of
from seedling.measure.sheets import write_sheet
from seedling.networks import segmenter
from seedling.networks.model import VARIANTS, WEIGHTS
from seedling.networks.recogniser import RECOGNISER, load_backbone, load_heads
from seedling.networks.text_to_image import new_pipe
from seedling.output import say, write_json
from seedling.randomness import make_generator
from seedling.train.control import NAME
from seedling.world.sentences import sentence
from seedling.world.vocabulary import OBJECTS

GUIDANCE = VARIANTS["seedling"].guidance
TOGETHER = 32
SHOWN = 16
"""Scenes of the sheet; its rows are outline, picture with it, picture without."""


def draw_controlled(
    base: Base, folder: Path, prompts: list[str], seeds: list[int], pictures: Tensor
) -> Tensor:
    """Draw with the ControlNet.

    Args:
        base: The seedling.
        folder: Holds `controlnet`.
        prompts: B sentences.
        seeds: B seeds.
        pictures: The outlines, float32 (B, 3, 64, 64), white on black.

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
        drawn = pipe(
            prompts[batch],
            pictures[batch],
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=[make_generator(seed) for seed in seeds[batch]],
            output_type="pt",
        )
        batches.append(drawn.images)
    return torch.cat(batches)


def overlap(images: Tensor, words: list[str], masks: Tensor) -> dict[str, float]:
    """Mean IoU of where the segmenter finds the words' objects and of masks (B, 64, 64)."""
    found = segmenter.segment(*segmenter.load_segmenter(), images, words)
    both, either = (found & masks).sum(dim=(1, 2)), (found | masks).sum(dim=(1, 2))
    return mean_of((both / either).double())


def measure(base: Base, folder: Path, *, count: int, seed: int) -> tuple[dict[str, object], Tensor]:
    """Compare pictures with and without an outline.

    Args:
        base: The seedling.
        folder: The ControlNet's.
        count: How many scenes.
        seed: Seed of the scenes and of the pictures.

    Returns:
        Figures: IoU with the scene's mask, and what the recogniser sees, of true scenes, of
        pictures with the outline and without; the sheet, (3, 16, 3, 64, 64).
    """
    images, masks, parts = draw_seen(count, seed=seed)
    prompts = [sentence(row) for row in parts.tolist()]
    seeds = [seed * 10_000 + place for place in range(len(prompts))]
    pictures = control_pictures(outlines(masks))
    drawn = {
        "true": images,
        "outline": draw_controlled(base, folder, prompts, seeds, pictures),
        "plain": draw(
            new_pipe(base.vae, base.networks, scale=base.scale), prompts, seeds, guidance=GUIDANCE
        ),
    }
    words = [OBJECTS[row[0]] for row in parts.tolist()]
    judge = load_backbone(RECOGNISER), load_heads(RECOGNISER)
    figures: dict[str, object] = {
        name: {
            "iou": overlap(each, words, masks),
            **{what: vars(share) for what, share in accuracy(each, parts, *judge).items()},
        }
        for name, each in drawn.items()
    }
    return figures, torch.stack([pictures, drawn["outline"], drawn["plain"]])[:, :SHOWN]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seed", type=int, default=83)
    parser.add_argument("--base", type=Path, default=BASE)
    parser.add_argument("--control", type=Path, default=WEIGHTS / NAME)
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent / "figures" / NAME)
    chosen = parser.parse_args()
    base = load_base(chosen.base)
    figures, sheet = measure(base, chosen.control, count=chosen.count, seed=chosen.seed)
    chosen.out.mkdir(parents=True, exist_ok=True)
    write_sheet(sheet, chosen.out / "outlines.png")
    write_json(chosen.out / "figures.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
