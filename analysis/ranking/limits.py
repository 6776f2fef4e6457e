"""The noise floor of a metric and its value at infinitely many images, as numbers and in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.extrapolation import AtInfinity
from analysis.statistics.floors import NoiseFloor


def floor_in_words(
    metric: Metric, n: int, rng: np.random.Generator
) -> tuple[NoiseFloor | None, str]:
    """Return a metric's noise floor, and the floor in words or why it cannot be measured.

    The words are empty for a metric that has no floor.
    """
    try:
        floor = metric.floor(n, rng)
    except ValueError as error:
        return None, f"No noise floor: {error}."
    if floor is None:
        return None, ""
    return floor, (
        f"Noise floor: {n:,} of the reference's images from its {floor.reference_n:,} others "
        f"{floor.mean:.4g} on average, standard deviation {floor.spread:.2g} over {floor.splits} "
        f"random splits."
    )


def limit_in_words(
    metric: Metric, prepared: Sequence[Any], sample: Sample, rng: np.random.Generator
) -> tuple[AtInfinity | None, str]:
    """Return values at infinitely many images, and them in words or why there are none.

    The words are empty for a metric that is not extrapolated.
    """
    try:
        limit = metric.at_infinity(prepared, sample.groups, rng)
    except ValueError as error:
        return None, f"Not extrapolated to infinitely many images: {error}."
    if limit is None:
        return None, ""
    order = np.argsort(metric.values(prepared))
    ends = order[[-1, 0]] if metric.higher_is_better else order[[0, -1]]
    best, worst = (f"seed {sample.seeds[i]} {limit.values[i]:.4g}" for i in ends)
    of_reference = " The reference's own n is not extrapolated." if metric.reference_n else ""
    caveat = f" {limit.caveat}" if limit.caveat else ""
    return limit, (
        f"Extrapolated to infinitely many images per seed (straight line in 1/n through "
        f"{', '.join(f'{n:,}' for n in limit.n)} images, whole prompt groups): best {best}, worst "
        f"{worst}, mean of all {limit.values.mean():.4g}. That is for comparing with distances of "
        f"another n; seeds are ranked at this n.{of_reference}{caveat}"
    )
