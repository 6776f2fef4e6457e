"""What a metric would be for each seed if seeds had no effect: permuted owners."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.ranking.confirmation import Draws
from analysis.statistics.arrays import Floats
from analysis.statistics.owners import owned, permuted_owners, without_seed_effects
from analysis.statistics.rounding import rounded


def permuted_draws(
    metric: Metric,
    prepared: Sequence[Sequence[Any]],
    samples: Sequence[Sample],
    values: Sequence[Floats],
    permutations: int,
    rng: np.random.Generator,
) -> tuple[Draws, Draws]:
    """Compute the metric of each seed under permuted owners, and that without seed effects.

    A prompt group that is in both sets has the same owners in both. The second draws are for the
    lists, which compare the sets; see `without_seed_effects`.
    """
    seeds, groups = len(samples[0].seeds), [sample.groups for sample in samples]
    plain, residual = np.empty((2, 2, permutations, seeds))
    for draw in range(permutations):
        owners = permuted_owners(seeds, groups, rng)
        for i, owner in enumerate(owners):
            plain[i, draw] = metric.values([owned(array, owner) for array in prepared[i]])
            residual[i, draw] = without_seed_effects(plain[i, draw], values[i], owner, groups[i])
    scale = float(np.abs(plain).max())
    return Draws(*rounded(plain, scale=scale)), Draws(*rounded(residual, scale=scale))
