"""Name groups of seeds after what their images share on set 1, and test the names on set 2."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.statistics.arrays import Flags, Floats, Indices
from analysis.statistics.embedding import holm
from analysis.statistics.intervals import grouped_error, grouped_mean_interval
from analysis.statistics.monte_carlo import p_value

TRAITS = {
    "grey": ("appearance.saturation", -1.0),
    "sky": ("appearance.sky_score", 1.0),
    "border": ("appearance.border_score", 1.0),
}
"""Traits that the paper names groups after -> the column, and the sign of its direction."""

GROUP_COLUMNS = {
    "group": "the group",
    "seeds": "number of its seeds",
    "members": "its seeds",
    "trait": "trait that stands out most on set 1: grey (low saturation), sky or border",
    "set1": "mean deviation from the prompt's mean over all seeds, set 1, unit of the column",
    "set2": "the same on set 2, which was not used for cutting or naming",
    "low": "lower end of its 95 % interval",
    "high": "upper end",
    "n": "images of the group on set 2",
    "null_high": "95th percentile, under the null, of the set-2 deviation of as many seeds",
    "p": "share of null draws with at least this deviation",
    "p_holm": "p adjusted for the number of groups",
    "confirmed": "set 2 confirms the name, and the seed has a share of style",
}


def deviations(sample: Sample) -> dict[str, Floats]:
    """Each trait minus the prompt's mean over all seeds, shape (S, P) each."""
    centred = {}
    for trait, (column, sign) in TRAITS.items():
        values = sign * np.asarray(sample.columns[column], dtype=np.float64)
        centred[trait] = values - values.mean(axis=0)
    return centred


def group_rows(
    samples: Sequence[Sample], labels: Indices, nulls: Mapping[str, Floats], *, level: float
) -> list[dict[str, Any]]:
    """Name every group on set 1 and test the name on set 2.

    Args:
        samples: The traits on set 1 and set 2.
        labels: Shape (S,), group of each seed.
        nulls: Trait -> shape (draws, S), mean deviations on set 2 under the null.
        level: Largest adjusted p-value at which a name is confirmed.

    Returns:
        One row per group, with the columns of `GROUP_COLUMNS`.
    """
    first, second = (deviations(sample) for sample in samples)
    rows: list[dict[str, Any]] = []
    for label in range(int(labels.max()) + 1):
        members = labels == label
        trait = _most_distinct(first, members, samples[0].groups)
        deviation = grouped_mean_interval(second[trait][members].mean(axis=0), samples[1].groups)
        null = nulls[trait][:, : int(members.sum())].mean(axis=1)
        rows.append(
            {
                "group": label,
                "seeds": int(members.sum()),
                "members": ", ".join(map(str, np.array(samples[0].seeds)[members])),
                "trait": trait,
                "set1": float(first[trait][members].mean()),
                "set2": deviation.value,
                "low": deviation.low,
                "high": deviation.high,
                "n": int(members.sum()) * samples[1].n,
                "null_high": float(np.percentile(null, 95)),
                "p": p_value(null, deviation.value),
            }
        )
    adjusted = holm(np.array([row["p"] for row in rows]))
    return [
        row | {"p_holm": float(p), "confirmed": bool(p <= level) and row["low"] > 0}
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _most_distinct(values: Mapping[str, Floats], members: Flags, groups: NDArray[np.str_]) -> str:
    """The trait whose mean deviation is the most standard errors above 0."""

    def errors_above_zero(trait: str) -> float:
        means = values[trait][members].mean(axis=0)
        return float(means.mean()) / max(grouped_error(means, groups)[0], 1e-12)

    return max(TRAITS, key=errors_above_zero)
