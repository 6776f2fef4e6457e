"""Compare two ways of drawing the same seeds: two runs, or two kinds of prompts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.owners import owned, permuted_owners, without_seed_effects
from analysis.study_tools.measured import require

LEAST_SEEDS, LEAST_GROUPS = 8, 4
CROSS_COLUMNS = {
    "cross": "rank correlation of set 1 of one run with set 2 of the other, mean of both ways",
    "cross_low": "lower end of its 95 % interval, bootstrap over seeds",
    "cross_high": "upper end",
    "null_high": "95th percentile of the correlation under the null",
    "p": "share of null draws with at least this correlation",
}
"""What the columns of a pair's correlation say, for the tables of studies."""


@dataclass(frozen=True, eq=False)
class RunPair:
    """Two ways of drawing the same seeds, prepared for one metric.

    Attributes:
        name: Name of the second way.
        differs: How the second way differs from the first, in words.
        metric: The metric.
        seeds: Seeds that both ways have, ascending.
        n: Images per seed in the smallest of the four sets.
        first: Arrays that the metric prepared from set 1 and set 2 of the first way.
        second: Arrays that the metric prepared from set 1 and set 2 of the second way.
        groups: The prompt groups of these four sets, in the same order.
    """

    name: str
    differs: str
    metric: Metric
    seeds: tuple[int, ...]
    n: int
    first: Sequence[Sequence[Any]]
    second: Sequence[Sequence[Any]]
    groups: Sequence[NDArray[np.str_]]

    @classmethod
    def of(
        cls,
        name: str,
        differs: str,
        metric: Metric,
        first: Sequence[Sample],
        second: Sequence[Sample],
    ) -> "RunPair":
        """Align two ways of drawing.

        Raises:
            RunError: If they have too few seeds in common, or a set too few prompt groups.
        """
        seeds = sorted(set(first[0].seeds) & set(second[0].seeds))
        require(len(seeds), LEAST_SEEDS, f"seeds in both this run and {name}")
        for sample in (*first, *second):
            groups = len(set(sample.groups.tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups in a set, comparing with {name}")
        one, other = ([_prepared(metric, s, seeds) for s in side] for side in (first, second))
        n = min(sample.n for sample in (*first, *second))
        groups_of_sets = [sample.groups for sample in (*first, *second)]
        return cls(name, differs, metric, tuple(seeds), n, one, other, groups_of_sets)

    @property
    def key(self) -> str:
        """Name of the pair."""
        return f"{self.name} {self.metric.name}"

    def of_sets(self, side: Sequence[Sequence[Any]]) -> Floats:
        """Compute the values on sets 1 and 2, shape (2, S).

        Larger values are better, unless the metric has no better end.
        """
        sign = -1.0 if self.metric.higher_is_better is False else 1.0
        return sign * np.stack([self.metric.values(arrays) for arrays in side])

    def null(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw `of_sets` of both ways once under the null "no seed effect".

        A prompt group has the same owners in both ways and in both sets. So what seeds do to
        single groups, alike in both ways, is not taken for an effect of seeds that carries over.
        """
        owners = permuted_owners(len(self.seeds), self.groups, rng)
        sets = zip([*self.first, *self.second], owners, self.groups, strict=True)
        drawn = np.stack([self._drawn(*each) for each in sets])
        return drawn[:2], drawn[2:]

    def _drawn(self, arrays: Sequence[Any], owners: Indices, groups: NDArray[np.str_]) -> Floats:
        """Values of one set under permuted owners, without seed effects."""
        (own,) = self.of_sets([arrays])
        (drawn,) = self.of_sets([[owned(array, owners) for array in arrays]])
        return without_seed_effects(drawn, own, owners, groups)


def _prepared(metric: Metric, sample: Sample, seeds: Sequence[int]) -> Sequence[Any]:
    rows = np.searchsorted(sample.seeds, seeds)
    return metric.prepare({name: sample.columns[name][rows] for name in metric.needs})


def only_prompts(sample: Sample, pattern: str, *, wanted: bool) -> Sample:
    """Reduce a sample to the prompts whose text matches a pattern, or to those that do not match.

    Args:
        sample: The sample.
        pattern: A regular expression, searched for in the prompt's text.
        wanted: Whether to keep the prompts that match.
    """
    kept = [i for i, p in enumerate(sample.prompts) if bool(re.search(pattern, p.text)) == wanted]
    prompts = tuple(sample.prompts[i] for i in kept)
    columns = {name: values[:, kept] for name, values in sample.columns.items()}
    return Sample(sample.seeds, prompts, columns, sample.dropped)
