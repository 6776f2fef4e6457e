"""`search`: replay races for good seeds on a full run, and count the images they would need."""

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
TARGET_UNITS = 40
"""Number of units that set 1 is divided into if the setting `unit` is 0."""
MOST_UNIT_IMAGES = 8
"""Largest number of images of a seed in such a unit."""


@dataclass(frozen=True)
class Search(Study):
    """Find out how many images a race needs to list the seeds that a full run would list.

    Question: What share of a full run's images does a race need to find about the same best seeds?
    Method: A race (`analysis.statistics.racing`) draws the images of set 1 in units of a few
        prompts; after each look it draws only the seeds whose place in the list is least certain.
        The race is replayed on the images of the run, with prompt groups in random order and a plan
        that is fixed beforehand. The list of each race is compared with the full list of set 2, and
        the gain of its seeds is measured on set 3. There are two comparisons: the list from the
        same number of images spread evenly over all seeds, and the ceiling, which is the agreement
        between the full lists of sets 1 and 2. Agreement with the full list of set 1 is also
        reported, but it is optimistic, because both lists come from the same prompts. A seed is
        certain if t intervals over bundles of prompt groups at level 1 - error / (seeds x looks)
        put it into the list; by the union bound, the probability that any certain seed is wrong at
        any look is at most `error`. The sure seeds are the longest list of which, by the posterior
        probabilities, at most a share `error` is expected to be wrong.
    Null: No seed effect. The images of each prompt group are permuted over the seeds, alike on all
        sets, and the race is run again.
    n: Number of images drawn of set 1; number of seeds; number of replays, each with its own order
        of prompts.
    Source: Successive elimination: Even-Dar, Mannor and Mansour 2006, JMLR 7; halving: Karnin,
        Koren and Somekh 2013, ICML. We know of no published result on the share of images needed.

    Attributes:
        metric: Name of the metric; if empty, the metric that the recipe ranks by.
        share: Share of the seeds in the list; if 0, the recipe's share.
        budgets: Shares of set 1's images that a race may draw. The outcome reports the race with
            the first share.
        error: Upper bound of the probability that any certain seed is wrong.
        unit: Smallest number of images of a seed in a unit. If 0, it is the number of images that
            divides set 1 into 40 units, but at most 8. With too few units, a race with a small
            budget ends after its first look.
        replays: Number of replays, each with its own random order of prompts.
        null_replays: Number of replays under the null.
    """

    name: ClassVar[str] = "search"
    version: ClassVar[int] = 3

    metric: str = ""
    share: float = 0.0
    budgets: tuple[float, ...] = (0.2, 0.1, 0.3, 0.4, 0.6)
    error: float = 0.1
    unit: int = 0
    replays: int = 20
    null_replays: int = 40

    def find(self, run: Run) -> Findings:
        """Replay the race with each budget, and under the null with the first budget."""
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
        size = self._unit_images(truth)
        require(units, LEAST_UNITS, f"units of {size} images in set 1 (setting `unit`)")
        plans = self._plans(len(truth.seeds), units, truth.top)
        curve = [row for plan in plans for row in self._replay(truth, orders, *plan, rng)]
        first_race = replay(truth, orders[0], plans[0][1], self.rng(run, "first"))
        probability = first_race.probability(self.rng(run, "posterior"))
        null = self._null(truth, plans[0][1], self.rng(run, "null"))
        numbers = summarise(truth, curve, null, first_race, probability, self.error)
        return Findings(
            outcome=sentence(truth, numbers),
            numbers=numbers,
            tables={
                "curve": StudyTable(pl.DataFrame(curve), CURVE_COLUMNS),
                "seeds": StudyTable(
                    pl.DataFrame(seed_rows(truth, orders[0], first_race, probability)), SEED_COLUMNS
                ),
            },
            figures={"curve": curve_figure(curve, numbers)},
            identities=identities(run, metrics=[metric]),
        )

    def _cut(self, truth: Truth, rng: np.random.Generator) -> list[Indices]:
        """Cut set 1's prompts into units, in a random order of groups and of prompts in a group."""
        prompts = rng.permutation(truth.samples[0].n)
        groups = truth.samples[0].groups[prompts]
        order = rng.permutation(np.unique(groups)).tolist()
        least, least_groups = self._unit_images(truth), truth.metric.least_groups
        units = cut_units(groups.tolist(), least, order, least_groups=least_groups)
        return [np.sort(prompts[unit]) for unit in units]

    def _unit_images(self, truth: Truth) -> int:
        """Return the smallest number of images of a seed in a unit."""
        return self.unit or min(MOST_UNIT_IMAGES, max(1, truth.samples[0].n // TARGET_UNITS))

    def _plans(self, seeds: int, units: int, top: int) -> list[tuple[float, Plan]]:
        """Plan a race for each budget, except budgets that are too small."""
        plans, reason = [], ""
        for budget in self.budgets:
            try:
                plan = plan_race(seeds, units, top=top, budget=budget, error=self.error)
                plans.append((budget, plan))
            except ValueError as error:
                reason = str(error)
        if not plans:
            raise RunError(
                f"no budget is large enough for a race: {reason}; draw more prompts, or set larger "
                f"`budgets`"
            )
        return plans

    def _replay(
        self,
        truth: Truth,
        orders: Sequence[Sequence[Indices]],
        budget: float,
        plan: Plan,
        rng: np.random.Generator,
    ) -> list[dict[str, Any]]:
        """Make the rows of one budget: the race, and the same number of images spread evenly."""
        races = [replay(truth, order, plan, rng) for order in orders]
        images = [
            int(images_drawn(race, order).sum()) for race, order in zip(races, orders, strict=True)
        ]
        even_lists = [spread_evenly(truth, number, rng) for number in images]
        certain = float(np.mean([race.certain.sum() for race in races]))
        by_method = {RACE: [race.listed for race in races], UNIFORM: even_lists}
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
        """Run races under the null, and compute their agreement with the full list of set 2."""
        agreements, alarms = [], 0
        for _ in range(self.null_replays):
            permuted = truth.permuted(rng)
            race = replay(permuted, self._cut(permuted, rng), plan, rng)
            agreements.append(overlap(race.listed, permuted.second_list))
            alarms += bool(race.certain.any())
        return {"agreement": np.array(agreements), "alarms": alarms, "draws": self.null_replays}
