"""Races over the seeds of a run: prompts cut into units, and a metric's value of every unit."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import Metric, load_metric
from analysis.metrics.base import Array
from analysis.metrics.kid import KernelDistance
from pipeline.choices import RankingConfig
from pipeline.errors import ConfigError

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def race_metric(ranking: RankingConfig | None, name: str = "") -> Metric:
    """The metric that a race goes by.

    Args:
        ranking: A recipe's; where no name is given, the metric that it ranks by.
        name: A metric with a better end whose value of a few images is unbiased: a mean over
            images, or a kernel distance.

    Raises:
        ConfigError: If there is none such; says which would do.
    """
    ranked = ranking.metric if ranking else ""
    if not (name or ranked):
        raise ConfigError(
            "the recipe ranks by no metric; a race needs one: name it, or add `ranking: {metric: "
            "...}` to the recipe"
        )
    metric = load_metric(name or ranked)
    if metric.higher_is_better is None:
        raise ConfigError(f"metric {metric.name} has no better end; a race needs one that has")
    if not (metric.per_image_mean or isinstance(metric, KernelDistance)):
        raise ConfigError(
            f"metric {metric.name} changes with the number of images, so seeds with unequal "
            f"numbers cannot be compared; a race needs a mean over images or a kernel distance "
            f"(kid, kid_perceptual, hps_v2_1 ...)"
        )
    return metric


def least_groups(metric: Metric) -> int:
    """Prompt groups in a unit that give the metric an unbiased value.

    A kernel distance compares images with one another. Those of one group are alike for the
    prompt's sake: pairs within a group would count the prompts' spread as the seed's distance.
    """
    return 1 if metric.per_image_mean else 2


def cut_units(
    groups: Sequence[str], least: int, order: Sequence[str], *, least_groups: int = 1
) -> list[Places]:
    """Cut prompts into units: whole groups, joined until a unit has enough prompts.

    Args:
        groups: Group of each prompt, shape (P,).
        least: Prompts in a unit, at least.
        order: The groups in the order in which the race meets them.
        least_groups: Groups in a unit, at least.

    Returns:
        Places of the prompts of each unit. What is left at the end joins the last unit.

    Example:
        >>> units = cut_units(["a", "b", "a", "c", "d"], 2, ["b", "a", "c", "d"])
        >>> [unit.tolist() for unit in units]
        [[0, 1, 2], [3, 4]]
    """
    labels = np.asarray(groups)
    units: list[Places] = []
    open_: list[Places] = []
    for group in order:
        open_.append(np.flatnonzero(labels == group))
        if sum(map(len, open_)) >= least and len(open_) >= least_groups:
            units.append(np.sort(np.concatenate(open_)))
            open_ = []
    if open_:
        rest = np.concatenate([*units[-1:], *open_])
        units[-1:] = [np.sort(rest)]
    return units


def unit_values(
    metric: Metric, columns: Mapping[str, Array], groups: Sequence[str], units: Sequence[Places]
) -> Floats:
    """The metric of every seed on every unit, turned so that larger is better.

    Args:
        metric: From `race_metric`.
        columns: Each of its needs -> shape (S, P, ...).
        groups: Group of each prompt, shape (P,).
        units: Places of the prompts of each unit.

    Returns:
        Shape (S, units), float64. A kernel distance is made from pairs of images of different
        groups alone, so that its mean over units is that of all prompts.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    prepared = metric.prepare(columns)
    labels = np.asarray(groups)
    found = []
    for unit in units:
        arrays = [array[:, unit] for array in prepared]
        if isinstance(metric, KernelDistance):
            found.append(_between_groups(metric, arrays, labels[unit]))
        else:
            found.append(metric.values(arrays))
    return sign * np.stack(found, axis=1)


def _between_groups(
    metric: KernelDistance, arrays: Sequence[Array], groups: NDArray[np.str_]
) -> Floats:
    """Unbiased kernel distance of every seed from pairs of different groups, shape (S,)."""
    x, cross = arrays
    apart = groups[:, None] != groups[None]
    if not apart.any():
        raise ValueError("a unit of one group; a kernel distance needs at least 2")
    kernels = (x @ x.transpose(0, 2, 1) / x.shape[2] + 1) ** 3
    within = kernels[:, apart].mean(axis=1)
    return np.asarray(within - 2 * cross.mean(axis=1) + metric.shared.within)
