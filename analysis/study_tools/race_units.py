"""Races over the seeds of a run: prompts cut into units, and a metric's value of every unit."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.sparse import csgraph

from analysis.metrics import Metric, load_metric
from analysis.statistics.arrays import Array, Floats, Indices
from pipeline.errors import ConfigError
from pipeline.settings.choices import RankingConfig

BUNDLES = 10
"""Bundles of groups in a race, at least, where there are enough groups: bounds rest on them."""


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
    if not metric.unbiased:
        raise ConfigError(
            f"metric {metric.name} changes with the number of images, or does not say that it "
            f"does not (`unbiased`), so seeds with unequal numbers cannot be compared; a race "
            f"needs a mean over images or a kernel distance (kid, kid_perceptual, hps_v2_1 ...)"
        )
    return metric


def cut_units(
    groups: Sequence[str], least: int, order: Sequence[str], *, least_groups: int = 1
) -> list[Indices]:
    """Cut prompts into units that know more prompt groups early than whole groups would.

    Groups are taken together in bundles, ten or more where there are enough groups; a bundle's
    prompts are dealt into units, one prompt of each group in turn. The first units are the first
    of every bundle, then come the second ones. What a race finds still holds for other groups:
    bundles are independent, see `bundle_numbers`. Where every prompt is a group of its own, a
    bundle is a unit.

    Args:
        groups: Group of each prompt, shape (P,), prompts in the order in which a race meets them.
        least: Prompts in a unit, at least.
        order: The groups in the order in which the race meets them.
        least_groups: Groups in a unit, at least.

    Returns:
        Places of the prompts of each unit. What is left at the end of a bundle joins its last
        unit, which is large where units need several groups and one group has most prompts.

    Example:
        >>> order = ["b", "a", "c", "d"]
        >>> units = cut_units(["a", "b", "a", "c", "d", "b"], 2, order, least_groups=2)
        >>> [unit.tolist() for unit in units]
        [[0, 1], [3, 4], [2, 5]]
    """
    if not order:
        return []
    labels, least = np.asarray(groups), max(least, least_groups)
    size = max(least_groups, min(least, len(order) // BUNDLES))
    dealt = [
        _deal([np.flatnonzero(labels == group) for group in bundle], least, least_groups)
        for bundle in _bundles(order, Counter(groups), size, least)
    ]
    rounds = range(max(map(len, dealt)))
    return [units[turn] for turn in rounds for units in dealt if turn < len(units)]


def _bundles(
    order: Sequence[str], prompts: Mapping[str, int], size: int, least: int
) -> list[list[str]]:
    """Groups in bundles of at least so many groups and prompts; the rest joins the last."""
    found: list[list[str]] = []
    open_: list[str] = []
    for group in order:
        open_.append(group)
        if len(open_) >= size and sum(prompts[each] for each in open_) >= least:
            found.append(open_)
            open_ = []
    return [*found[:-1], [*found[-1], *open_]] if found else [open_]


def _deal(groups: Sequence[Indices], least: int, least_groups: int) -> list[Indices]:
    """A bundle's prompts in units, one of every group in turn; the later, the fewer groups."""
    turns = range(max(map(len, groups)))
    dealt = [
        (place, number)
        for turn in turns
        for number, places in enumerate(groups)
        for place in places[turn : turn + 1]
    ]
    cuts = list(range(0, len(dealt) - least + 1, least)) or [0]
    while len(cuts) > 1 and len({number for _, number in dealt[cuts[-1] :]}) < least_groups:
        cuts.pop()
    ends = [*cuts[1:], len(dealt)]
    return [
        np.sort([place for place, _ in dealt[start:end]])
        for start, end in zip(cuts, ends, strict=True)
    ]


def bundle_numbers(units: Sequence[Collection[str]]) -> Indices:
    """Number units so that those with a prompt group in common have the same number.

    Args:
        units: The groups of each unit's prompts.

    Returns:
        Shape (U,), from 0 on.

    Example:
        >>> bundle_numbers([{"a", "b"}, {"c"}, {"b"}]).tolist()
        [0, 1, 0]
    """
    names = {name: place for place, name in enumerate(sorted(set().union(*units)))}
    shared = np.zeros((len(units), len(names)), dtype=np.int64)
    for row, unit in zip(shared, units, strict=True):
        row[[names[name] for name in unit]] = 1
    return np.asarray(csgraph.connected_components(shared @ shared.T)[1], dtype=np.intp)


def unit_values(
    metric: Metric, columns: Mapping[str, Array], groups: Sequence[str], units: Sequence[Indices]
) -> Floats:
    """The metric of every seed on every unit, turned so that larger is better.

    Args:
        metric: From `race_metric`.
        columns: Each of its needs -> shape (S, P, ...).
        groups: Group of each prompt, shape (P,).
        units: Places of the prompts of each unit.

    Returns:
        Shape (S, units), float64. A kernel distance counts only pairs of images of different
        groups, so that its mean over units is that of all prompts.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    prepared = metric.prepare(columns)
    labels = np.asarray(groups)
    values = [
        metric.between_groups([array[:, unit] for array in prepared], labels[unit])
        for unit in units
    ]
    return sign * np.stack(values, axis=1)
