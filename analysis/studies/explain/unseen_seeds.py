"""Seeds that no run has drawn, listed by what their noise predicts, and what they came to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from analysis.statistics.prediction import Ridge, welch
from analysis.statistics.reliability import pearson
from analysis.studies.explain.noise_features import noise_features
from pipeline.runs.run import Run

CANDIDATES = 4096
"""Seeds after a run's last, from which the list is taken."""
HIGH, LOW, RANDOM = "predicted high", "predicted low", "random"


def list_unseen(
    run: Run, seeds: Sequence[int], fit: Ridge, rng: np.random.Generator, *, each: int
) -> pl.DataFrame:
    """Seeds never drawn: the highest and the lowest predictions, and some of the others.

    Args:
        run: The run.
        seeds: Its seeds.
        fit: Of the noise of its seeds, one target.
        rng: Draws the random ones.
        each: Seeds of each of the three groups.

    Returns:
        Columns seed, group, predicted, and found, which is null.
    """
    first = max(seeds) + 1
    candidates = np.arange(first, first + max(CANDIDATES, 4 * each))
    theirs = noise_features(candidates.tolist(), run.latents_shape, spec=run.config.noise)
    predicted = fit.predict(theirs.values)[:, 0]
    order = np.argsort(predicted, kind="stable")
    drawn = np.sort(rng.choice(order[each:-each], each, replace=False))
    groups = {HIGH: order[-each:][::-1], LOW: order[:each], RANDOM: drawn}
    places = np.concatenate(list(groups.values()))
    return pl.DataFrame(
        {
            "seed": candidates[places],
            "group": [name for name in groups for _ in range(each)],
            "predicted": predicted[places],
            "found": pl.Series([None] * len(places), dtype=pl.Float64),
        }
    )


def with_found(listed: pl.DataFrame, values: Mapping[int, float]) -> pl.DataFrame:
    """The list with the values that its seeds were found to have."""
    return listed.with_columns(found=pl.Series([values[seed] for seed in listed["seed"]]))


def compared(listed: pl.DataFrame) -> dict[str, Any]:
    """Differences of the groups' means, and how far the random ones were foretold."""
    found = {name: listed.filter(group=name)["found"].to_numpy() for name in (HIGH, LOW, RANDOM)}
    told = listed.filter(group=RANDOM)["predicted"].to_numpy()
    return {
        "high_less_low": welch(found[HIGH], found[LOW]),
        "high_less_random": welch(found[HIGH], found[RANDOM]),
        "low_less_random": welch(found[LOW], found[RANDOM]),
        "correlation_of_random": pearson(told, found[RANDOM]),
    }
