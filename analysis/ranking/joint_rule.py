"""Seeds that are good by several metrics at once, and what chance makes of that rule.

The rule of "Good Seed Makes a Good Crop" (arXiv:2405.14828): golden is who is in the top 256 of
1,024 seeds by FID and by HPS v2. Two unrelated rankings share 64 +- 6 seeds that way, so the
length of such a list says nothing; whether the same seeds come again on other prompts does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from analysis.cells.cells import Sample, read_cells
from analysis.metrics import Metric
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.nulls import Direction, permute_within_prompt
from analysis.statistics.reliability import midranks, top_with_ties
from pipeline.errors import RunError
from pipeline.runs.run import Run


@dataclass(frozen=True, eq=False)
class Judged:
    """One metric on one prompt set, in the company of others.

    Attributes:
        metric: The metric.
        sample: The cells it is made from.
        prepared: What the metric made of them once and for all.
        among: Shape (P,): places of its prompts among all prompts of the company.
    """

    metric: Metric
    sample: Sample
    prepared: Sequence[Any]
    among: Indices

    @property
    def best(self) -> Direction:
        """The better end."""
        return "higher" if self.metric.higher_is_better else "lower"

    @cached_property
    def own(self) -> Floats:
        """The metric of every seed, shape (S,)."""
        return self.metric.values(self.prepared)

    @property
    def ranks(self) -> Floats:
        """Rank of every seed, 1 is best, ties share their mean rank."""
        return midranks(-self.own if self.best == "higher" else self.own)

    def values(self, owner: Indices) -> Floats:
        """The metric of every seed under other owners, shape (S,).

        Args:
            owner: Which seed's image counts for each seed and prompt of the company, (S, U).
        """
        mine, place = owner[:, self.among], np.arange(len(self.among))
        return self.metric.values([array[mine, place] for array in self.prepared])

    def top(self, values: Floats, share: float) -> frozenset[int]:
        """Places of the top share, a tie at the boundary listed whole."""
        m = max(1, round(share * len(values)))
        return frozenset(map(int, top_with_ties(values, m, direction=self.best)))


def judge(run: Run, metrics: Sequence[Metric], prompt_set: int) -> list[Judged]:
    """Several metrics on one prompt set; each uses as many prompts as the recipe says.

    Raises:
        RunError: If cells are missing, or a metric cannot be shown for them.
    """
    needs = list(dict.fromkeys(need for metric in metrics for need in metric.needs))
    cells = read_cells(run, needs, sets=[prompt_set])
    counts = run.recipe.metric_prompts
    samples = [cells.sample(m.needs, n=counts.get(m.name)) for m in metrics]
    for metric, sample in zip(metrics, samples, strict=True):
        refusal = metric.refusal(sample.only(metric.needs))
        if refusal:
            raise RunError(f"{metric.name} cannot judge, set {prompt_set} has {refusal}")
    return in_company(metrics, samples)


def in_company(metrics: Sequence[Metric], samples: Sequence[Sample]) -> list[Judged]:
    """Metrics whose images move together when owners are permuted."""
    ids = sorted({prompt.id for sample in samples for prompt in sample.prompts})
    place = {name: i for i, name in enumerate(ids)}
    return [
        Judged(
            metric,
            sample,
            metric.prepare(sample.only(metric.needs)),
            np.array([place[prompt.id] for prompt in sample.prompts], dtype=np.intp),
        )
        for metric, sample in zip(metrics, samples, strict=True)
    ]


def permuted_owners(company: Sequence[Judged], rng: np.random.Generator) -> Indices:
    """Who owns which image under "no seed effect", shape (S, U), one draw for all metrics."""
    seeds = len(company[0].sample.seeds)
    prompts = 1 + max(int(one.among.max()) for one in company)
    owners = np.broadcast_to(np.arange(seeds)[:, None], (seeds, prompts))
    return np.asarray(permute_within_prompt(owners, rng), dtype=np.intp)


def top_by_all(
    company: Sequence[Judged], share: float, owner: Indices | None = None
) -> frozenset[int]:
    """Places of the seeds that are in the top share by every metric.

    Args:
        company: The metrics.
        share: Share of the seeds that is the top of one metric.
        owner: As `Judged.values`; every seed's own images if None.
    """
    tops = [one.top(one.own if owner is None else one.values(owner), share) for one in company]
    return frozenset.intersection(*tops)


@dataclass(frozen=True, eq=False)
class ListNull:
    """Lists under "no seed effect": owners permuted in both sets, the whole rule applied again.

    Attributes:
        length: Shape (B,): seeds listed on set 1.
        again: Shape (B,): how many of them are listed on set 2, too.
    """

    length: Floats
    again: Floats


def list_null(
    companies: Sequence[Sequence[Judged]], share: float, rng: np.random.Generator, draws: int
) -> ListNull:
    """Draw from the null of the list.

    Args:
        companies: The metrics on set 1, and on set 2.
        share: Share of the seeds that is the top of one metric.
        rng: Draws the permutations.
        draws: How many.
    """
    found = np.empty((draws, 2))
    for row in found:
        first, second = (top_by_all(c, share, permuted_owners(c, rng)) for c in companies)
        row[:] = len(first), len(first & second)
    return ListNull(found[:, 0], found[:, 1])
