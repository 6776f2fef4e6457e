"""Paint a plain arm, and arms whose starts lie between two seeds."""

from pathlib import Path

import numpy as np

from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from tests.analysis import synthetic
from tests.analysis.studies.swapped import pattern
from tests.analysis.synthetic import Pixels


def painted(prompt: Prompt, i: int, j: int, share: float) -> Pixels:
    """Paint an image with `1 - share` of what seed i fixes and `share` of what seed j fixes."""
    place = int(prompt.id, 16)
    mixed = (1 - share) * pattern(2, i, place % 7) + share * pattern(2, j, place % 7)
    return np.clip(128 + 50 * (0.5 * pattern(1, place) + mixed), 0, 255).astype(np.uint8)


def blended(
    path: Path, blend: tuple[int, float] | None = None, *, jump: float = 0.0, **config: object
) -> Run:
    """Make a run of seeds 0 to 3; with a blend (j, strength), its starts lie towards seed j.

    Args:
        path: Folder of the run.
        blend: Seed j and the strength.
        jump: Above this strength the image is that of seed j; 0 for a steady change.
        config: Settings of the run.
    """
    recipe = Recipe(
        name="blended", card="seedling-mini", prompts={"source": "seedling"}, seeds={"count": 4},
        tile={"seeds": 4, "prompts": 12}, features=[], ranking=None,
    )  # fmt: skip
    j, strength = blend or (0, 0.0)
    own = {"name": "seed_blend", "parameters": {"seed": j, "strength": strength}} if blend else {}
    run = Run.start(path, synthetic.config(intervention=own, **config), recipe)
    run.grow(range(4), synthetic.prompts(36))
    share = float(strength > jump) if jump else strength
    synthetic.draw_all(run, lambda prompt, seed: painted(prompt, seed, j, share))
    return run
