"""Make samples of two prompt sets with known effects of the seeds."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.metrics.base import MeanMetric
from analysis.statistics.arrays import Floats
from pipeline.prompts.prompt_sets import Prompt

NEED = "appearance.brightness"


class Score(MeanMetric):
    name: ClassVar[str] = "score"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "points"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = (NEED,)


class Distance(Score):
    """The same values, not declared as a mean, so that reliability must be measured."""

    per_image_mean: ClassVar[bool] = False


def sample(values: Floats, groups: NDArray[np.intp], *, first: int = 0) -> Sample:
    prompts = tuple(
        Prompt(f"thing {first + i} of {group}", object=f"object {group}")
        for i, group in enumerate(groups)
    )
    return Sample(tuple(range(len(values))), prompts, {NEED: values})


def two_sets(
    *,
    rng: np.random.Generator,
    seeds: int = 128,
    spread: float,
    groups: int = 24,
    each: int = 2,
    within: float = 0.0,
    prompt: float = 0.0,
) -> list[Sample]:
    """Seed effects, seed x group effects, what a prompt does to every seed, unit noise.

    Every set has its own `groups` groups of `each` prompts.
    """
    effect = spread * rng.normal(size=(seeds, 1))
    found = []
    for number in range(2):
        codes = np.repeat(np.arange(groups) + number * groups, each)
        shared = np.repeat(within * rng.normal(size=(seeds, groups)), each, axis=1)
        own = rng.normal(size=(seeds, len(codes))) + prompt * rng.normal(size=len(codes))
        found.append(sample(effect + shared + own, codes, first=number * len(codes)))
    return found
