"""Prepare a race over the seeds of a run: cut prompts into units, and measure each unit."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.sparse import csgraph

from analysis.metrics import Metric, load_metric
from analysis.statistics.arrays import Array, Floats, Indices
from pipeline.errors import ConfigError
from pipeline.settings.choices import RankingConfig

BUNDLES = 10
"""Smallest number of bundles in a race, if there are enough groups: its bounds depend on them."""


def race_metric(ranking: RankingConfig | None, name: str = "") -> Metric:
    """Load the metric that a race uses.

    Args:
        ranking: The ranking of a recipe; its metric is used if no name is given.
        name: A metric with a better end that is unbiased for few images: a mean over images, or a
            kernel distance.

    Raises:
        ConfigError: If there is no metric, or it cannot be raced; says which metrics can.
    """
    ranked = ranking.metric if ranking else ""
    if not (name or ranked):
        raise ConfigError(
            "the recipe ranks by no metric; a race needs one: name it, or add `ranking: {metric: "
            "...}` to the recipe"
        )
    metric = load_metric(name or ranked)
    if metric.higher_is_better is None:
        raise ConfigError(
            f"metric {metric.name} has no better end; a race needs a metric that has one"
        )
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
    """Cut prompts into units, so that the first units cover as many prompt groups as possible.

    Groups are joined into bundles, at least ten if there are enough groups. The prompts of a bundle
    are dealt into units, one prompt of each group in turn. First come the first units of all
    bundles, then their second units, and so on. The result of a race still generalises over
    groups, because bundles are independent; see `bundle_numbers`. If each prompt is its own
    group, a bundle is a unit.

    Args:
        groups: Group of each prompt, shape (P,), prompts in the order of the race.
        least: Smallest number of prompts in a unit.
        order: The groups in the order of the race.
        least_groups: Smallest number of groups in a unit.

    Returns:
        Indices of the prompts of each unit. Prompts left at the end of a bundle join its last
        unit, which is large if units need several groups and one group has most of the prompts.

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
    """Join groups into bundles of at least `size` groups and `least` prompts.

    Groups that are left at the end join the last bundle.
    """
    bundles: list[list[str]] = []
    bundle: list[str] = []
    for group in order:
        bundle.append(group)
        if len(bundle) >= size and sum(prompts[member] for member in bundle) >= least:
            bundles.append(bundle)
            bundle = []
    return [*bundles[:-1], [*bundles[-1], *bundle]] if bundles else [bundle]


def _deal(groups: Sequence[Indices], least: int, least_groups: int) -> list[Indices]:
    """Deal a bundle's prompts into units, one prompt of each group in turn.

    Later units have fewer groups, because small groups run out of prompts.
    """
    turns = range(max(map(len, groups)))
    dealt = [
        (prompt, number)
        for turn in turns
        for number, prompts in enumerate(groups)
        for prompt in prompts[turn : turn + 1]
    ]
    cuts = list(range(0, len(dealt) - least + 1, least)) or [0]
    while len(cuts) > 1 and len({number for _, number in dealt[cuts[-1] :]}) < least_groups:
        cuts.pop()
    ends = [*cuts[1:], len(dealt)]
    return [
        np.sort([prompt for prompt, _ in dealt[start:end]])
        for start, end in zip(cuts, ends, strict=True)
    ]


def bundle_numbers(units: Sequence[Collection[str]]) -> Indices:
    """Number units so that units with a prompt group in common have the same number.

    Args:
        units: The groups of each unit's prompts.

    Returns:
        Shape (U,), numbers from 0.

    Example:
        >>> bundle_numbers([{"a", "b"}, {"c"}, {"b"}]).tolist()
        [0, 1, 0]
    """
    column = {group: index for index, group in enumerate(sorted(set().union(*units)))}
    shared = np.zeros((len(units), len(column)), dtype=np.int64)
    for row, unit in zip(shared, units, strict=True):
        row[[column[group] for group in unit]] = 1
    return np.asarray(csgraph.connected_components(shared @ shared.T)[1], dtype=np.intp)


def unit_values(
    metric: Metric, columns: Mapping[str, Array], groups: Sequence[str], units: Sequence[Indices]
) -> Floats:
    """Compute the metric of each seed on each unit, with the sign such that larger is better.

    Args:
        metric: From `race_metric`.
        columns: Each of the metric's needs -> shape (S, P, ...).
        groups: Group of each prompt, shape (P,).
        units: Indices of the prompts of each unit.

    Returns:
        Shape (S, units), float64. A kernel distance uses only pairs of images from different
        groups, so that its mean over units is unbiased for all prompts.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    prepared = metric.prepare(columns)
    labels = np.asarray(groups)
    values = [
        metric.between_groups([array[:, unit] for array in prepared], labels[unit])
        for unit in units
    ]
    return sign * np.stack(values, axis=1)
