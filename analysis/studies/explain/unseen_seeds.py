"""Predict the values of seeds that were never drawn, and compare with the values once drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from analysis.statistics.prediction import Ridge, welch
from analysis.statistics.reliability import pearson
from analysis.studies.explain.noise_features import noise_features
from pipeline.runs.run import Run

CANDIDATES = 4096
"""Number of seeds after the last seed of a run among which the listed seeds are chosen."""
HIGH, LOW, RANDOM = "predicted high", "predicted low", "random"


def list_unseen(
    run: Run, seeds: Sequence[int], fit: Ridge, rng: np.random.Generator, *, each: int
) -> pl.DataFrame:
    """List seeds with the highest and the lowest predictions, and random others.

    Args:
        run: The run.
        seeds: The run's seeds.
        fit: The regression of one target on the noise of these seeds.
        rng: Draws the random seeds.
        each: Number of seeds in each of the three groups.

    Returns:
        Columns seed, group, predicted, and found (null until the seeds are drawn).
    """
    first = max(seeds) + 1
    candidates = np.arange(first, first + max(CANDIDATES, 4 * each))
    noise = noise_features(candidates.tolist(), run.latents_shape, spec=run.config.noise)
    predicted = fit.predict(noise.values)[:, 0]
    order = np.argsort(predicted, kind="stable")
    drawn = np.sort(rng.choice(order[each:-each], each, replace=False))
    groups = {HIGH: order[-each:][::-1], LOW: order[:each], RANDOM: drawn}
    chosen = np.concatenate(list(groups.values()))
    return pl.DataFrame(
        {
            "seed": candidates[chosen],
            "group": [name for name in groups for _ in range(each)],
            "predicted": predicted[chosen],
            "found": pl.Series([None] * len(chosen), dtype=pl.Float64),
        }
    )


def add_values(listed: pl.DataFrame, values: Mapping[int, float]) -> pl.DataFrame:
    """Fill in the column "found" with the values of the drawn seeds."""
    return listed.with_columns(found=pl.Series([values[seed] for seed in listed["seed"]]))


def group_differences(listed: pl.DataFrame) -> dict[str, Any]:
    """Compute the differences of the groups' means, and the correlation with the predictions."""
    values = {name: listed.filter(group=name)["found"].to_numpy() for name in (HIGH, LOW, RANDOM)}
    predicted = listed.filter(group=RANDOM)["predicted"].to_numpy()
    return {
        "high_less_low": welch(values[HIGH], values[LOW]),
        "high_less_random": welch(values[HIGH], values[RANDOM]),
        "low_less_random": welch(values[LOW], values[RANDOM]),
        "correlation_of_random": pearson(predicted, values[RANDOM]),
    }
