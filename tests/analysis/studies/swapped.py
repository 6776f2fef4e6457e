"""Paint a plain arm and its swaps from the patterns of the start, the steps and the prompt."""

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
    """A smooth random image that depends only on the names, values about -1 to 1."""
    small = np.random.default_rng(names).uniform(0, 255, size=(6, 6, 3)).astype(np.uint8)
    large = Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC)
    return np.asarray(large, dtype=np.float64) / 127.5 - 1


def painted(prompt: Prompt, start: int, steps: int, by_steps: float) -> Pixels:
    """Paint an image that starts from seed `start` and has the step noise of seed `steps`."""
    by_prompt = pattern(1, int(prompt.id, 16))
    by_start = pattern(2, start, int(prompt.id, 16) % 7)
    by_step_noise = pattern(3, steps)
    mixed = 0.5 * by_prompt + (1 - by_steps) * by_start + by_steps * by_step_noise
    return np.clip(128 + 50 * mixed, 0, 255).astype(np.uint8)


def arm(path: Path, by_steps: float, swap: tuple[int, int] | None = None, **config: object) -> Run:
    """Make a run; with a swap (j, step), the steps from there on have the noise of seed j."""
    recipe = Recipe(
        name="swapped",
        card="seedling-mini",
        prompts={"source": "seedling"},
        seeds={"count": 4},
        tile={"seeds": 4, "prompts": 12},
        features=[],
        ranking=None,
    )
    fields = {"name": "seed_swap", "parameters": {"seed": swap[0], "step": swap[1]}} if swap else {}
    settings = {"eta": 1.0, "num_inference_steps": COUNT, "intervention": fields, **config}
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
    """Make a plain arm, and arms with swaps to seed 1 in the same folder.

    Args:
        folder: Folder of the arms.
        by_steps: How much of an image the step noise decides: 0 nothing, 1 everything.

    Returns:
        The plain arm.
    """
    for step in STEPS:
        arm(folder / f"to_1_at_{step}", by_steps, (1, step))
    return arm(folder / "plain", by_steps)
