"""Compare the golden seeds with random sets of as many seeds, and with fresh random seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.statistics.arrays import Floats
from analysis.statistics.monte_carlo import p_error, p_value, p_words
from analysis.studies.fidelity.assignments import ASSIGNMENTS, Assignments

LEAST_SETS = 200
"""Random sets where each costs `ASSIGNMENTS` evaluations; more are not worth their time."""

TABLE_COLUMNS = {
    "prompts": "which prompts: those of this run, or of the other kind",
    "metric": "name of the metric",
    "higher_is_better": "direction",
    "golden": "value of the golden seeds, one of which draws each prompt: average over assignments",
    "golden_low": "lower end of its 95 % interval over prompt groups",
    "golden_high": "upper end",
    "golden_error": "standard error of the average over assignments; 0 if all are averaged",
    "assignments": "random assignments that are averaged; null if all there are",
    "random": "mean over random sets of as many seeds, averaged in the same way",
    "random_low": "2.5th percentile over random sets",
    "random_high": "97.5th percentile",
    "sets": "random sets",
    "p": "share of the random sets that are at least as good; one-sided",
    "p_error": "Monte-Carlo standard error of p",
    "fresh": "mean over draws of a fresh random seed per prompt",
    "fresh_low": "2.5th percentile over draws",
    "fresh_high": "97.5th percentile",
    "seeds": "golden seeds",
    "n": "prompts of set 3, one image each",
    "reference": "images of the distance's reference, whatever the prompts; null for a score",
}


def against_random(
    kind: str, pools: Assignments, golden: Sequence[int], sets: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Evaluate the golden seeds, random sets and fresh seeds by one metric.

    Args:
        kind: Which prompts.
        pools: The metric and the images, averaged over assignments.
        golden: Indices of the golden seeds.
        sets: Number of random sets, and of draws of fresh seeds. Where each set costs several
            evaluations, there are fewer sets, but at least `LEAST_SETS` if so many are wanted.
        rng: Draws both.

    Returns:
        The row of `TABLE_COLUMNS`.
    """
    judged, chosen = pools.judged, np.array(golden, dtype=np.intp)
    seeds, n, k = len(judged.sample.seeds), judged.sample.n, len(golden)
    (value,), (error,) = pools.averages(chosen[None])
    interval = pools.interval(chosen)
    fresh = pools.of_owners(rng.integers(seeds, size=(sets, n)))
    if pools.count:
        sets = min(sets, max(LEAST_SETS, sets // ASSIGNMENTS))
    null, _ = pools.averages(np.array([rng.permutation(seeds)[:k] for _ in range(sets)]))
    sign = 1.0 if judged.best == "higher" else -1.0
    p = p_value(sign * null, sign * float(value))
    return {
        "prompts": kind,
        "metric": judged.metric.name,
        "higher_is_better": judged.best == "higher",
        "golden": float(value),
        "golden_low": interval.low,
        "golden_high": interval.high,
        "golden_error": float(error),
        "assignments": pools.count,
        "random": float(null.mean()),
        **_percentiles("random", null),
        "sets": sets,
        "p": p,
        "p_error": p_error(p, sets),
        "fresh": float(fresh.mean()),
        **_percentiles("fresh", fresh),
        "seeds": k,
        "n": n,
        "reference": judged.metric.reference_n,
    }


def _percentiles(name: str, values: Floats) -> dict[str, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def words(row: dict[str, Any]) -> str:
    """Return the comparison of one metric in words."""
    over = "all assignments" if row["assignments"] is None else f"{row['assignments']} assignments"
    error = f" +- {row['golden_error']:.2g}" if row["golden_error"] else ""
    return (
        f"{row['metric']} {row['golden']:.4g} [{row['golden_low']:.4g}, {row['golden_high']:.4g}] "
        f"on {row['n']} prompts of set 3 ({row['prompts']}; average over {over}{error}), random "
        f"sets of {row['seeds']} {row['random']:.4g} [{row['random_low']:.4g}, "
        f"{row['random_high']:.4g}], {p_words(row['p'], row['sets'])}, fresh seeds "
        f"{row['fresh']:.4g}"
    )
