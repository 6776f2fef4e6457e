"""Choose the noise schedule by training one small predictor for each candidate.

Usage: `python -m seedling.measure.pilot`.

Stable Diffusion's last training step still contains some of the image, but drawing starts from pure
noise, so its images are biased towards middle grey (Lin et al. 2023, arXiv:2305.08891). On 8 x 8
latents the same betas cause a much smaller bias, because the mean of the noise varies more there.
This finds the last beta with which the images of dark and bright prompts are closer to grey than
the world's scenes, so that the models have the flaw and it can be measured and corrected.
"""

import argparse
import dataclasses
from pathlib import Path

from diffusers import StableDiffusionPipeline

from seedling.files import CHECKPOINTS, FIGURES, say, write_json
from seedling.learning.loop import Budget
from seedling.learning.trained import load_vae
from seedling.measure.drawing import COUNT, draw, prompt_parts
from seedling.networks.model import VARIANTS, new_scheduler
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator
from seedling.train.text_to_image import RATE, train
from seedling.world.painting import brightness
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import sentence

CANDIDATES = (0.012, 0.008, 0.006, 0.003)
"""Last betas to try; the first is Stable Diffusion's."""
TRIED_TONES = ("dark", "bright", "plain")
BATCH = 32
"""Latents per step: brightness is learned early, and half a batch takes half the time."""


def terminal_ratio(beta_end: float) -> float:
    """Compute the signal-to-noise ratio of the last training step.

    Example:
        >>> round(terminal_ratio(0.012), 5)
        0.00468
    """
    signal = float(new_scheduler(beta_end).alphas_cumprod[-1])
    return signal / (1 - signal)


def world_brightness() -> dict[str, float]:
    """Mean brightness of the world's scenes by tone."""
    generator = make_generator(91)
    return {
        tone: float(brightness(draw_scenes(prompt_parts(tone), generator=generator).images).mean())
        for tone in TRIED_TONES
    }


def drawn_brightness(pipe: StableDiffusionPipeline) -> dict[str, float]:
    """Mean brightness of drawn images by tone."""
    seeds = list(range(900_000, 900_000 + COUNT))
    means = {}
    for tone in TRIED_TONES:
        prompts = [sentence(row) for row in prompt_parts(tone).tolist()]
        means[tone] = float(brightness(draw(pipe, prompts, seeds)).mean())
    return means


def try_out(beta_end: float, *, steps: int, folder: Path) -> dict[str, object]:
    """Train a small predictor with a last beta and measure the brightness of its images."""
    vae, small = load_vae(folder), VARIANTS["seedling-mini"]
    variant = dataclasses.replace(small, beta_end=beta_end, seed=small.seed + 10)
    budget = Budget(minutes=600.0, rate=RATE, steps=steps)
    name = f"pilot-{beta_end}"
    networks, scale = train(vae, variant, name=name, budget=budget, batch=BATCH, folder=folder)
    drawn = drawn_brightness(new_pipe(vae, networks, scale=scale))
    return {"beta_end": beta_end, "terminal_snr": terminal_ratio(beta_end), "drawn": drawn}


def main() -> None:
    """Run from the command line; an interrupted pilot resumes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    rows = []
    for beta_end in CANDIDATES:
        rows.append(try_out(beta_end, steps=options.steps, folder=options.folder))
        say(rows[-1])
    figures = {"steps": options.steps, "n": COUNT, "world": world_brightness(), "candidates": rows}
    write_json(FIGURES / "pilot.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
