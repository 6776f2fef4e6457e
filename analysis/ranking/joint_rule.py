"""Find seeds that are good by several metrics at once, and how many there are by chance.

In "Good Seed Makes a Good Crop" (arXiv:2405.14828), a seed is golden if it is in the top 256 of
1,024 seeds both by FID and by HPS v2. Two unrelated rankings share 64 +- 6 seeds by that rule, so
the length of such a list says nothing. Whether the same seeds are listed again on other prompts
does.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample, read_cells
from analysis.metrics import Metric
from analysis.ranking.groups import cap_groups
from analysis.ranking.ties import most_with_ties, ties_words
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.nulls import Direction
from analysis.statistics.owners import owned, permuted_owners, without_seed_effects
from analysis.statistics.reliability import midranks, top_with_ties
from pipeline.errors import RunError
from pipeline.runs.run import Run


@dataclass(frozen=True, eq=False)
class Judged:
    """A metric on a prompt set, one of a company of metrics that judge together.

    Attributes:
        metric: The metric.
        sample: The cells that the metric is made from.
        prepared: What `metric.prepare` returned for them.
        among: Shape (P,): indices of its prompts among all prompts of the company.
        warning: Prompt groups that were cut because they weigh too much; empty if none was.
    """

    metric: Metric
    sample: Sample
    prepared: Sequence[Any]
    among: Indices
    warning: str = ""

    @property
    def best(self) -> Direction:
        """Direction of the better end."""
        return "higher" if self.metric.higher_is_better else "lower"

    @cached_property
    def seed_values(self) -> Floats:
        """Value of each seed, shape (S,)."""
        return self.metric.values(self.prepared)

    @property
    def ranks(self) -> Floats:
        """Rank of each seed; 1 is best, ties share their mean rank."""
        return midranks(-self.seed_values if self.best == "higher" else self.seed_values)

    def values(self, owner: Indices) -> Floats:
        """Compute the value of each seed under other owners, without seed effects, shape (S,).

        Args:
            owner: For each seed and prompt of the company, the seed whose image counts, (S, U).
        """
        owners = owner[:, self.among]
        drawn = self.metric.values([owned(array, owners) for array in self.prepared])
        return without_seed_effects(drawn, self.seed_values, owners, self.sample.groups)

    def top(self, values: Floats, share: float) -> frozenset[int]:
        """Return the indices of the top share, including all ties at the boundary."""
        m = max(1, round(share * len(values)))
        return frozenset(map(int, top_with_ties(values, m, direction=self.best)))


def judge(run: Run, metrics: Sequence[Metric], prompt_set: int) -> list[Judged]:
    """Judge a prompt set by several metrics, each on as many prompts as the recipe says.

    Raises:
        RunError: If cells are missing, or a metric cannot be shown for them.
    """
    needs = list(dict.fromkeys(need for metric in metrics for need in metric.needs))
    cells = read_cells(run, needs, sets=[prompt_set])
    counts = run.recipe.metric_prompts
    capped = [cap_groups(cells.sample(m.needs, n=counts.get(m.name)), prompt_set) for m in metrics]
    samples = [sample for sample, _ in capped]
    for metric, sample in zip(metrics, samples, strict=True):
        refusal = metric.refusal(sample.only(metric.needs))
        if refusal:
            raise RunError(f"{metric.name} cannot judge, set {prompt_set} has {refusal}")
    company = in_company(metrics, samples)
    return [
        dataclasses.replace(judged, warning=warning)
        for judged, (_, warning) in zip(company, capped, strict=True)
    ]


def in_company(metrics: Sequence[Metric], samples: Sequence[Sample]) -> list[Judged]:
    """Join metrics into a company whose images move together when owners are permuted."""
    ids = sorted({prompt.id for sample in samples for prompt in sample.prompts})
    index = {name: i for i, name in enumerate(ids)}
    return [
        Judged(
            metric,
            sample,
            metric.prepare(sample.only(metric.needs)),
            np.array([index[prompt.id] for prompt in sample.prompts], dtype=np.intp),
        )
        for metric, sample in zip(metrics, samples, strict=True)
    ]


def company_groups(company: Sequence[Judged]) -> NDArray[np.object_]:
    """Return the group of each prompt of a company, shape (U,)."""
    groups = np.empty(1 + max(int(judged.among.max()) for judged in company), dtype=object)
    for judged in company:
        groups[judged.among] = judged.sample.groups
    return groups


def top_by_all(
    company: Sequence[Judged], share: float, owner: Indices | None = None
) -> frozenset[int]:
    """Return the indices of the seeds that are in the top share by all metrics.

    Args:
        company: The metrics.
        share: Share of the seeds that counts as the top by a metric.
        owner: See `Judged.values`; if None, each seed owns its own images.

    Raises:
        RunError: If each seed owns its own images, and a metric cannot rank them for ties.
    """
    tops = [
        judged.top(judged.seed_values if owner is None else judged.values(owner), share)
        for judged in company
    ]
    if owner is None:
        _refuse_ties(company, tops, share)
    return frozenset.intersection(*tops)


def _refuse_ties(company: Sequence[Judged], tops: Sequence[frozenset[int]], share: float) -> None:
    for judged, top in zip(company, tops, strict=True):
        seeds = len(judged.sample.seeds)
        places = max(1, round(share * seeds))
        if len(top) > most_with_ties(places):
            raise RunError(
                f"{ties_words(len(top), places, seeds, judged.metric.name)}; choose a metric with "
                f"more different values, or draw more prompts"
            )


@dataclass(frozen=True, eq=False)
class ListNull:
    """Lists under "no seed effect": the whole rule applied with permuted owners in both sets.

    A prompt group that is in both sets has the same owners in both, and for all metrics.

    Attributes:
        length: Shape (B,): number of seeds listed on set 1.
        again: Shape (B,): number of seeds that are also listed on set 2.
    """

    length: Floats
    again: Floats


def list_null(
    companies: Sequence[Sequence[Judged]], share: float, rng: np.random.Generator, draws: int
) -> ListNull:
    """Draw from the null of the list.

    Args:
        companies: The metrics on set 1, and on set 2.
        share: Share of the seeds that counts as the top by a metric.
        rng: Draws the permutations.
        draws: Number of permutations.
    """
    seeds, groups = len(companies[0][0].sample.seeds), [company_groups(c) for c in companies]
    counts = np.empty((draws, 2))
    for row in counts:
        owners = permuted_owners(seeds, groups, rng)
        first, second = (top_by_all(c, share, o) for c, o in zip(companies, owners, strict=True))
        row[:] = len(first), len(first & second)
    return ListNull(counts[:, 0], counts[:, 1])
