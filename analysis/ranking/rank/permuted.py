"""What a metric would be for each seed if seeds had no effect: permuted owners."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.ranking.confirmation import Draws
from analysis.statistics.arrays import Floats
from analysis.statistics.owned_means import owned_means
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
    if all(_is_mean(metric, arrays) for arrays in prepared):
        groups = [sample.groups for sample in samples]
        means = owned_means([array for (array,) in prepared], groups, rng, draws=permutations)
        plain, residual = np.stack(means, axis=1)
    else:
        plain, residual = _draw_by_draw(metric, prepared, samples, values, permutations, rng)
    scale = float(np.abs(plain).max())
    return Draws(*rounded(plain, scale=scale)), Draws(*rounded(residual, scale=scale))


def _draw_by_draw(
    metric: Metric,
    prepared: Sequence[Sequence[Any]],
    samples: Sequence[Sample],
    values: Sequence[Floats],
    permutations: int,
    rng: np.random.Generator,
) -> Floats:
    """Compute any metric under permuted owners, shape (2, 2, permutations, S)."""
    seeds, groups = len(samples[0].seeds), [sample.groups for sample in samples]
    plain, residual = draws = np.empty((2, 2, permutations, seeds))
    for draw in range(permutations):
        owners = permuted_owners(seeds, groups, rng)
        for i, owner in enumerate(owners):
            plain[i, draw] = metric.values([owned(array, owner) for array in prepared[i]])
            residual[i, draw] = without_seed_effects(plain[i, draw], values[i], owner, groups[i])
    return draws


def _is_mean(metric: Metric, prepared: Sequence[Any]) -> bool:
    """Whether the value of each seed is the plain mean of one number per image."""
    if not metric.per_image_mean or len(prepared) != 1 or prepared[0].ndim != 2:
        return False
    means = prepared[0].mean(axis=1)
    return bool(np.allclose(metric.values(prepared), means, rtol=1e-12, atol=0))
