"""One planted run that holds enough for every study, in seconds."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.prompt_sets import Prompt
from pipeline.runs import Run
from tests.analysis import synthetic
from tests.analysis.seed_classifier.painted import painted_run
from tests.analysis.studies.planted_latents import plant_latents
from tests.analysis.studies.planted_run import SCORE, SCORES, Values, planted_run
from tests.analysis.studies.swapped import arm

RECIPE: dict[str, object] = {
    "features": [SCORES],
    "metrics": [SCORE],
    "ranking": None,
}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "distinguishability": {"epochs": 1, "fewer": [0.5], "pictures": [0, 3, 9]},
    "explain": {"permutations": 20, "each": 8},
    "seed_swap": {"arms": "arms"},
    "spectrum": {"arms": "arms", "permutations": 10},
}
"""Settings that let a study run on this small run; the defaults where a study is not named."""


def planted(prompts: Sequence[Prompt], seeds: int) -> Values:
    """Seed effects in every feature, prompts' effects and noise beside them."""
    rng = np.random.default_rng(11)
    shape = (seeds, len(prompts))
    effect = rng.normal(size=(seeds, 1))
    return {
        SCORES: {"score": effect + rng.normal(size=shape)},
    }


def everything(path: Path) -> Run:
    """Make it."""
    return planted_run(path, planted, seeds=24, prompts=120, **RECIPE)


def with_latents(path: Path) -> Run:
    """A run that keeps latents, and one beside it in its folder `arms`."""
    for place in (path / "arms" / "half", path):
        run = synthetic.start(
            place, seeds=range(8), n_prompts=24, tile=(4, 12), features=[], ranking=None
        )
        plant_latents(run, left=0.8 if place == path else 0.4)
    return run


def with_swaps(path: Path) -> Run:
    """A run with pictures, and a swap of its step noise in its folder `arms`."""
    arm(path / "arms" / "to_1_at_20", 0.2, (1, 20))
    return arm(path, 0.2)


OWN: Mapping[str, Callable[[Path], Run]] = {
    "distinguishability": lambda path: painted_run(path, seeds=4, prompts=48),
    "seed_swap": with_swaps,
    "spectrum": with_latents,
}
"""Studies that need pictures, latents or several runs, and what makes theirs."""
