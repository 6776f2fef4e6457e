"""`search`: find the good seeds with a fraction of the images, replayed on a full run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.statistics.arrays import Indices
from analysis.statistics.racing import Plan, plan_race
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.search.replays import Truth, images_drawn, overlap, replay, spread_evenly
from analysis.studies.search.report import (
    CURVE_COLUMNS,
    RACE,
    SEED_COLUMNS,
    UNIFORM,
    curve_figure,
    seed_rows,
    sentence,
    summarise,
)
from analysis.study_tools.measured import identities, read_sets, require
from analysis.study_tools.race_units import cut_units, race_metric
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_UNITS, LEAST_GROUPS = 16, 5, 4
UNIT, UNITS = 8, 40
"""Largest automatic number of images of a seed in a unit; number of units to aim for."""


@dataclass(frozen=True)
class Search(Study):
    """Find out how many images are needed to find the seeds that a full run would list.

    Question: With what share of the images does a race over the seeds find the list that two full
        runs agree on?
    Method: The race of `analysis.statistics.racing` is replayed on units of set 1's prompts, with
        groups in random order and a plan fixed beforehand. Certain seeds follow from t intervals
        over bundles of prompt groups at level 1 - error / (seeds x looks): by the union bound, with
        probability 1 - error none of them is wrong at any look. Sure seeds follow from posterior
        probabilities. Lists are judged by the full list of set 2 and on set 3. They are compared
        with the list of the same number of images spread evenly, and with the ceiling, which is the
        agreement between the full lists of sets 1 and 2. A replay shares prompts with the full list
        of set 1, so its agreement with that list is optimistic.
    Null: No seed effect: on all sets, within each prompt, the images are permuted over the seeds;
        then the race is run again.
    n: Images drawn of set 1; seeds; replays, each with one order of the prompts.
    Source: Successive elimination: Even-Dar, Mannor and Mansour 2006, JMLR 7; halving: Karnin,
        Koren and Somekh 2013, ICML. We know of no published result on the share of images needed.

    Attributes:
        metric: Name of the metric; if empty, the metric that the recipe ranks by.
        share: Share of the seeds in the list; if 0, the recipe's share.
        budgets: Shares of set 1's images; the outcome reports the first.
        error: Upper bound of the probability that any certain seed is wrong.
        unit: Smallest number of images of a seed in a unit. If 0, it is chosen so that set 1 has
            40 units, but at most 8. With few units, a small budget leaves no second look.
        replays: Number of orders of the prompts.
        null_replays: Number of permuted draws.
    """

    name: ClassVar[str] = "search"
    version: ClassVar[int] = 2

    metric: str = ""
    share: float = 0.0
    budgets: tuple[float, ...] = (0.2, 0.1, 0.3, 0.4, 0.6)
    error: float = 0.1
    unit: int = 0
    replays: int = 20
    null_replays: int = 40

    def find(self, run: Run) -> Findings:
        """Replay the race for each budget, and under the null."""
        metric = race_metric(run.recipe.ranking, self.metric)
        samples = read_sets(run, metric.needs, (1, 2, 3), n=None)
        require(len(samples[0].seeds), LEAST_SEEDS, "seeds")
        for number, sample in enumerate(samples, start=1):
            groups = len(set(sample.groups.tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups in set {number}")
        share = run.recipe.ranking.share if run.recipe.ranking else 0.25
        truth = Truth(metric, samples, self.share or share)
        rng = self.rng(run, "replays")
        orders = [self._cut(truth, rng) for _ in range(self.replays)]
        units = min(map(len, orders))
        what = f"units of {self._unit(truth)} images in set 1 (setting `unit`)"
        require(units, LEAST_UNITS, what)
        plans = self._plans(len(truth.seeds), units, truth.top)
        curve = [row for plan in plans for row in self._replay(truth, orders, *plan, rng)]
        first = replay(truth, orders[0], plans[0][1], self.rng(run, "first"))
        probability = first.probability(self.rng(run, "posterior"))
        null = self._null(truth, plans[0][1], self.rng(run, "null"))
        numbers = summarise(truth, curve, null, first, probability, self.error)
        return Findings(
            outcome=sentence(truth, numbers),
            numbers=numbers,
            tables={
                "curve": StudyTable(pl.DataFrame(curve), CURVE_COLUMNS),
                "seeds": StudyTable(
                    pl.DataFrame(seed_rows(truth, orders[0], first, probability)), SEED_COLUMNS
                ),
            },
            figures={"curve": curve_figure(truth, curve, null)},
            identities=identities(run, metrics=[metric]),
        )

    def _cut(self, truth: Truth, rng: np.random.Generator) -> list[Indices]:
        """Cut set 1's prompts into units, with groups and their prompts in random order."""
        prompts = rng.permutation(truth.samples[0].n)
        groups = truth.samples[0].groups[prompts]
        order = rng.permutation(np.unique(groups)).tolist()
        each = truth.metric.least_groups
        units = cut_units(groups.tolist(), self._unit(truth), order, least_groups=each)
        return [np.sort(prompts[unit]) for unit in units]

    def _unit(self, truth: Truth) -> int:
        """Smallest number of images of a seed in a unit."""
        return self.unit or min(UNIT, max(1, truth.samples[0].n // UNITS))

    def _plans(self, seeds: int, units: int, top: int) -> list[tuple[float, Plan]]:
        """Plan a race for each budget that is large enough."""
        plans, reason = [], ""
        for budget in self.budgets:
            try:
                plan = plan_race(seeds, units, top=top, budget=budget, error=self.error)
                plans.append((budget, plan))
            except ValueError as error:
                reason = str(error)
        if not plans:
            raise RunError(f"no budget can be raced: {reason}; draw more prompts, or set `budgets`")
        return plans

    def _replay(
        self,
        truth: Truth,
        orders: Sequence[Sequence[Indices]],
        budget: float,
        plan: Plan,
        rng: np.random.Generator,
    ) -> list[dict[str, Any]]:
        """Rows of one budget: the race, and the same number of images spread evenly."""
        races = [replay(truth, order, plan, rng) for order in orders]
        images = [int(images_drawn(*pair).sum()) for pair in zip(races, orders, strict=True)]
        even = [spread_evenly(truth, number, rng) for number in images]
        certain = float(np.mean([race.certain.sum() for race in races]))
        by_method = {RACE: [race.listed for race in races], UNIFORM: even}
        shared = {"budget": budget, "images": float(np.mean(images))}
        return [
            {
                **dict.fromkeys(CURVE_COLUMNS),
                **shared,
                "method": method,
                **truth.judge(lists),
                "certain": certain if method == RACE else None,
            }
            for method, lists in by_method.items()
        ]

    def _null(self, truth: Truth, plan: Plan, rng: np.random.Generator) -> dict[str, Any]:
        """Agreement of the race with the full list of set 2 under the null "no seed effect"."""
        agreements, alarms = [], 0
        for _ in range(self.null_replays):
            null = truth.permuted(rng)
            race = replay(null, self._cut(null, rng), plan, rng)
            agreements.append(overlap(race.listed, null.second_list))
            alarms += bool(race.certain.any())
        return {"agreement": np.array(agreements), "alarms": alarms, "draws": self.null_replays}
