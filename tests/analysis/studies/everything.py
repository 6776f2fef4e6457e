"""One planted run that holds enough for every study, in seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.prompt_sets import Prompt
from pipeline.runs import Run
from tests.analysis.studies.planted_run import SCORE, SCORES, Values, planted_run

RECIPE: dict[str, object] = {
    "features": [SCORES],
    "metrics": [SCORE],
    "ranking": None,
}
SETTINGS: Mapping[str, Mapping[str, Any]] = {}
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
