"""Compare `seedling-turbo` with the seedling: `python -m seedling.measure.turbo`.

Both draw the same prompts from the same seeds, none of which was used in training.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import ResNetModel

from seedling.files import FIGURES, WEIGHTS, say, write_json
from seedling.learning.relatives import BASE, load_base
from seedling.learning.teacher import GUIDANCE
from seedling.measure.drawing import STEPS, draw
from seedling.measure.shares import accuracy
from seedling.measure.sheets import write_sheet
from seedling.networks.recogniser import RECOGNISER, load_backbone, load_heads
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator
from seedling.train.turbo import NAME
from seedling.world.sentences import draw_parts, sentence


def load_pipes(base: Path, turbo: Path) -> dict[str, StableDiffusionPipeline]:
    """Read teacher and student in fp32, without progress bars.

    Args:
        base: The seedling's folder.
        turbo: The folder with the student's `unet` and `scheduler`.

    Returns:
        `teacher` and `student`.
    """
    shared = load_base(base)
    unet = UNet2DConditionModel.from_pretrained(turbo / "unet", local_files_only=True).float()
    scheduler = DDIMScheduler.from_pretrained(turbo / "scheduler", local_files_only=True)
    student = replace(shared.networks, unet=unet.eval(), scheduler=scheduler)
    return {
        "teacher": new_pipe(shared.vae, shared.networks, scale=shared.scale),
        "student": new_pipe(shared.vae, student, scale=shared.scale),
    }


def draw_both(
    pipes: dict[str, StableDiffusionPipeline], prompts: list[str], seeds: list[int]
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Draw with both models: images (B, 3, 64, 64) in 0..1, and images per second."""
    images, speed = {}, {}
    for name, steps, guidance in (("teacher", STEPS, GUIDANCE), ("student", 1, 0.0)):
        started = time.monotonic()
        images[name] = draw(pipes[name], prompts, seeds, steps=steps, guidance=guidance)
        speed[name] = round(len(prompts) / (time.monotonic() - started), 2)
    return images, speed


def measure(
    pipes: dict[str, StableDiffusionPipeline],
    backbone: ResNetModel,
    heads: nn.ModuleDict,
    *,
    count: int,
    seed: int,
) -> tuple[dict[str, object], Tensor]:
    """Measure how often the recogniser sees what the prompts name in the images of both models.

    Args:
        pipes: Output of `load_pipes`.
        backbone: The recogniser's backbone.
        heads: The recogniser's heads.
        count: Number of prompts, each with its own seed.
        seed: Seed of prompts and seeds.

    Returns:
        The numbers by name, and the first images of both, at most (2, 16, 3, 64, 64).
    """
    parts = draw_parts(count, generator=make_generator(seed))
    prompts = [sentence(row) for row in parts.tolist()]
    images, speed = draw_both(pipes, prompts, list(range(seed * 10_000, seed * 10_000 + count)))
    shares = {name: accuracy(batch, parts, backbone, heads) for name, batch in images.items()}
    difference = (images["teacher"] - images["student"]).square().mean(dim=(1, 2, 3))
    figures = {
        "n": count,
        **{name: {k: vars(v) for k, v in by_part.items()} for name, by_part in shares.items()},
        "images_per_second": speed,
        "threads": torch.get_num_threads(),
        "median_rms_difference": round(float(difference.median().sqrt()), 4),
    }
    return figures, torch.stack([images["teacher"][:16], images["student"][:16]])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--base", type=Path, default=BASE)
    parser.add_argument("--turbo", type=Path, default=WEIGHTS / NAME)
    options = parser.parse_args()
    pipes = load_pipes(options.base, options.turbo)
    judge = load_backbone(RECOGNISER), load_heads(RECOGNISER)
    figures, sheet = measure(pipes, *judge, count=options.count, seed=options.seed)
    out = FIGURES / NAME
    out.mkdir(parents=True, exist_ok=True)
    write_sheet(sheet, out / "teacher_and_student.png")
    write_json(out / "figures.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
