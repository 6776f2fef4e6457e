"""A plain arm and its swaps, painted: the start's pattern, the steps' pattern, the prompt's."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from tests.analysis import synthetic
from tests.analysis.synthetic import Pixels

COUNT = 40
"""Steps."""
STEPS = (0, 20)


def pattern(*names: int) -> np.ndarray:
    """A smooth picture of its own, values about -1 to 1."""
    small = np.random.default_rng(names).uniform(0, 255, size=(6, 6, 3)).astype(np.uint8)
    large = Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC)
    return np.asarray(large, dtype=np.float64) / 127.5 - 1


def painted(prompt: Prompt, start: int, steps: int, by_steps: float) -> Pixels:
    """What seed `start` begins and the step noise of seed `steps` ends."""
    ground = pattern(1, int(prompt.id, 16))
    own = pattern(2, start, int(prompt.id, 16) % 7)
    ended = pattern(3, steps)
    mixed = 0.5 * ground + (1 - by_steps) * own + by_steps * ended
    return np.clip(128 + 50 * mixed, 0, 255).astype(np.uint8)


def arm(path: Path, by_steps: float, swap: tuple[int, int] | None = None, **config: object) -> Run:
    """A run; with a swap (j, step), steps from there on have j's noise in them."""
    recipe = Recipe(
        name="swapped",
        card="seedling-mini",
        prompts={"source": "seedling"},
        seeds={"count": 4},
        tile={"seeds": 4, "prompts": 12},
        features=[],
        ranking=None,
    )
    told = {"name": "seed_swap", "parameters": {"seed": swap[0], "step": swap[1]}} if swap else {}
    settings = {"eta": 1.0, "num_inference_steps": COUNT, "intervention": told, **config}
    run = Run.start(path, synthetic.config(**settings), recipe)
    run.grow(range(4), synthetic.prompts(36))

    def draw(prompt: Prompt, seed: int) -> Pixels:
        if swap is None:
            return painted(prompt, seed, seed, by_steps)
        swapped = by_steps * (1 - swap[1] / COUNT)
        kept = painted(prompt, seed, seed, by_steps).astype(float)
        other = painted(prompt, seed, swap[0], by_steps).astype(float)
        share = swapped / by_steps if by_steps else 0.0
        return (kept + share * (other - kept)).round().astype(np.uint8)

    synthetic.draw_all(run, draw)
    return run


def swapped_runs(folder: Path, *, by_steps: float) -> Run:
    """The plain arm, with swaps to seed 1 beside it.

    Args:
        folder: Of the arms.
        by_steps: How much of a picture is its steps': 0 none, 1 all.
    """
    for step in STEPS:
        arm(folder / f"to_1_at_{step}", by_steps, (1, step))
    return arm(folder / "plain", by_steps)
