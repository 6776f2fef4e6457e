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

UNIT = 8
"""Images of a seed in a unit, at least."""


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


def least_images(metric: Metric) -> int:
    """Images of a seed that give the metric a value."""
    return 1 if metric.per_image_mean else 3


def cut_units(groups: Sequence[str], least: int, order: Sequence[str]) -> list[Places]:
    """Cut prompts into units: whole groups, joined until a unit has enough prompts.

    Args:
        groups: Group of each prompt, shape (P,).
        least: Prompts in a unit, at least.
        order: The groups in the order in which the race meets them.

    Returns:
        Places of the prompts of each unit. What is left at the end joins the last unit.

    Example:
        >>> [unit.tolist() for unit in cut_units(["a", "b", "a", "c", "d"], 2, ["b", "a", "c", "d"])]
        [[0, 1, 2], [3, 4]]
    """  # noqa: E501 - one line of input
    labels = np.asarray(groups)
    units: list[Places] = []
    open_: list[Places] = []
    for group in order:
        open_.append(np.flatnonzero(labels == group))
        if sum(map(len, open_)) >= least:
            units.append(np.sort(np.concatenate(open_)))
            open_ = []
    if open_:
        rest = np.concatenate([*units[-1:], *open_])
        units[-1:] = [np.sort(rest)]
    return units


def unit_values(metric: Metric, columns: Mapping[str, Array], units: Sequence[Places]) -> Floats:
    """The metric of every seed on every unit, turned so that larger is better.

    Args:
        metric: From `race_metric`.
        columns: Each of its needs -> shape (S, P, ...).
        units: Places of the prompts of each unit.

    Returns:
        Shape (S, units), float64.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    prepared = metric.prepare(columns)
    found = [metric.values([array[:, unit] for array in prepared]) for unit in units]
    return sign * np.stack(found, axis=1)
