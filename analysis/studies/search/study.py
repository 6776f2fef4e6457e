"""`search`: the good seeds with a fraction of the images, replayed from a run that is all drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.pictures import plots
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.racing import Plan, RaceResult, plan_race
from analysis.statistics.reliability import golden_by_expected_error
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.search.replays import Truth, images_drawn, overlap, replay, spread_evenly
from analysis.study_tools.measured import identities, read_sets, require
from analysis.study_tools.race_units import cut_units, race_metric
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SEEDS, LEAST_UNITS, LEAST_GROUPS = 16, 5, 4
UNIT, UNITS = 8, 40
"""Images of a seed in a unit where there are enough of them; units that are enough."""
RACE, UNIFORM = "race", "uniform"

CURVE_COLUMNS = {
    "budget": "share of set 1's images that may be drawn",
    "method": "race, or uniform: as many images spread evenly over the seeds, prompts at random",
    "images": "images drawn, mean over replays",
    "agreement": "share of the list that is in the list of set 2, a second full run on other "
    "prompts; mean over replays, each with another order of prompts",
    "agreement_low": "2.5th percentile over replays",
    "agreement_high": "97.5th percentile over replays",
    "attained": "agreement over the ceiling: what the full list of set 1 shares with set 2's",
    "agreement_own": "share of the list that is in set 1's full list; optimistic, for both saw "
    "the same prompts",
    "gain": "mean of the list less that of all seeds on set 3, positive is better, mean over "
    "replays, in the metric's unit",
    "gain_low": "lower end of its 95 % interval over prompt groups of set 3",
    "gain_high": "upper end",
    "certain": "seeds that the bounds put into the list, mean over replays; null for uniform",
}
SEED_COLUMNS = {
    "seed": "the seed",
    "units": "units of prompts drawn of it in the first replay, at the budget of the headline",
    "images": "images drawn of it",
    "value": "mean deviation from the panel of seeds drawn to the end, positive is better",
    "low": "lower end; all seeds' intervals hold at once with probability 1 - error",
    "high": "upper end",
    "probability": "posterior probability of the true top share, an estimate",
    "listed": "whether the race lists it",
    "certain": "whether the bounds put it into the top share",
    "sure": "whether it is in the longest list of which at most `error` is expected to be wrong",
    "full": "whether set 1's full list has it",
    "other": "whether set 2's full list has it",
}


@dataclass(frozen=True)
class Search(Study):
    """How many images it takes to find the seeds that all images would list.

    Question: With what share of the images does a race over the seeds find the list that two full
        runs agree on?
    Method: The race of `analysis.statistics.racing` on units of set 1's prompts, its plan fixed
        beforehand, groups in random order, replayed. Certain seeds by t intervals over bundles of
        prompt groups at level 1 - error / (seeds x looks): by the union bound none of them is
        wrong, at any look, with probability 1 - error. Sure seeds by posterior probability.
        Judged by the full list of set 2 and on set 3, beside the same number of images spread
        evenly, and beside the ceiling, which is what the full list of set 1 shares with that of
        set 2. Replay and set 1's own list share prompts, so that agreement is optimistic.
    Null: no seed effect: within each prompt it is permuted which seed owns which image, on both
        sets; the race is then run again.
    n: images drawn of set 1; seeds; replays, one order of the prompts each.
    Source: Successive elimination: Even-Dar, Mannor and Mansour 2006, JMLR 7; halving: Karnin,
        Koren and Somekh 2013, ICML; that a fraction of the images will do is nobody's finding yet.

    Attributes:
        metric: Name of the metric; the one that the recipe ranks by if empty.
        share: Share of the seeds in the list; the recipe's if 0.
        budgets: Shares of set 1's images; the first is the headline's.
        error: Probability that any certain seed is wrong, at most.
        unit: Images of a seed in a unit, at least; if 0, so many that set 1 has 40 units, at most
            8. With few units a small budget leaves no second look.
        replays: Orders of the prompts.
        null_replays: Permuted draws.
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
        """Replay the race."""
        metric = race_metric(run.recipe.ranking, self.metric)
        samples = read_sets(run, metric.needs, (1, 2, 3), n=None)
        require(len(samples[0].seeds), LEAST_SEEDS, "seeds")
        for number, sample in enumerate(samples, start=1):
            found = len(set(sample.groups.tolist()))
            require(found, LEAST_GROUPS, f"prompt groups in set {number}")
        ranked = run.recipe.ranking.share if run.recipe.ranking else 0.25
        truth = Truth(metric, samples, self.share or ranked)
        rng = self.rng(run, "replays")
        orders = [self._cut(truth, rng) for _ in range(self.replays)]
        units = min(map(len, orders))
        wanted = f"units of {self._unit(truth)} images in set 1 (setting `unit`)"
        require(units, LEAST_UNITS, wanted)
        plans = self._plans(len(truth.seeds), units, truth.top)
        curve = [row for plan in plans for row in self._replay(truth, orders, *plan, rng)]
        first = replay(truth, orders[0], plans[0][1], self.rng(run, "first"))
        probability = first.probability(self.rng(run, "posterior"))
        null = self._null(truth, plans[0][1], self.rng(run, "null"))
        numbers = _numbers(truth, curve, null, first, probability, self.error)
        return Findings(
            outcome=_sentence(truth, numbers),
            numbers=numbers,
            tables={
                "curve": StudyTable(pl.DataFrame(curve), CURVE_COLUMNS),
                "seeds": StudyTable(
                    pl.DataFrame(_seed_rows(truth, orders[0], first, probability)), SEED_COLUMNS
                ),
            },
            figures={"curve": _figure(truth, curve, null)},
            identities=identities(run, metrics=[metric]),
        )

    def _cut(self, truth: Truth, rng: np.random.Generator) -> list[Indices]:
        """Set 1's prompts as units, its groups and their prompts in random order."""
        places = rng.permutation(truth.samples[0].n)
        groups = truth.samples[0].groups[places]
        order = rng.permutation(np.unique(groups)).tolist()
        each = truth.metric.least_groups
        units = cut_units(groups.tolist(), self._unit(truth), order, least_groups=each)
        return [np.sort(places[unit]) for unit in units]

    def _unit(self, truth: Truth) -> int:
        """Images of a seed in a unit, at least."""
        return self.unit or min(UNIT, max(1, truth.samples[0].n // UNITS))

    def _plans(self, seeds: int, units: int, top: int) -> list[tuple[float, Plan]]:
        """The plans of the budgets that are large enough."""
        found, why = [], ""
        for budget in self.budgets:
            try:
                plan = plan_race(seeds, units, top=top, budget=budget, error=self.error)
                found.append((budget, plan))
            except ValueError as error:
                why = str(error)
        if not found:
            raise RunError(f"no budget can be raced: {why}; draw more prompts, or set `budgets`")
        return found

    def _replay(
        self,
        truth: Truth,
        orders: Sequence[Sequence[Indices]],
        budget: float,
        plan: Plan,
        rng: np.random.Generator,
    ) -> list[dict[str, Any]]:
        """Rows of one budget: the race, and its images spread evenly."""
        races = [replay(truth, order, plan, rng) for order in orders]
        images = [int(images_drawn(*pair).sum()) for pair in zip(races, orders, strict=True)]
        even = [spread_evenly(truth, number, rng) for number in images]
        certain = float(np.mean([race.certain.sum() for race in races]))
        lists = {RACE: [race.listed for race in races], UNIFORM: even}
        shared = {"budget": budget, "images": float(np.mean(images))}
        return [
            {
                **dict.fromkeys(CURVE_COLUMNS),
                **shared,
                "method": method,
                **truth.judge(found),
                "certain": certain if method == RACE else None,
            }
            for method, found in lists.items()
        ]

    def _null(self, truth: Truth, plan: Plan, rng: np.random.Generator) -> dict[str, Any]:
        """Agreement of the race with the second full list where no seed differs."""
        found, alarms = [], 0
        for _ in range(self.null_replays):
            fake = truth.permuted(rng)
            race = replay(fake, self._cut(fake, rng), plan, rng)
            found.append(overlap(race.listed, fake.other))
            alarms += bool(race.certain.any())
        return {"agreement": np.array(found), "alarms": alarms, "draws": self.null_replays}


def _seed_rows(
    truth: Truth, units: Sequence[Indices], race: RaceResult, probability: Floats
) -> list[dict[str, Any]]:
    images = images_drawn(race, units)
    sure = golden_by_expected_error(probability, limit=race.plan.error)
    return [
        {
            "seed": seed,
            "units": int(race.units[i]),
            "images": int(images[i]),
            "value": float(race.value[i]),
            "low": float(race.low[i]),
            "high": float(race.high[i]),
            "probability": float(probability[i]),
            "listed": i in race.listed,
            "certain": bool(race.certain[i]),
            "sure": i in sure,
            "full": i in truth.own,
            "other": i in truth.other,
        }
        for i, seed in enumerate(truth.seeds)
    ]


def _numbers(
    truth: Truth,
    curve: Sequence[Mapping[str, Any]],
    null: Mapping[str, Any],
    first: RaceResult,
    probability: Floats,
    error: float,
) -> dict[str, Any]:
    race, even = curve[:2]
    draws = null["agreement"]
    return {
        "metric": truth.metric.name,
        "seeds": len(truth.seeds),
        "top": truth.top,
        "images_full": len(truth.seeds) * truth.samples[0].n,
        "ceiling": truth.ceiling,
        "chance": truth.top / len(truth.seeds),
        "race": dict(race),
        "uniform": dict(even),
        "full_gain": truth.gain([truth.own]),
        "error": error,
        "expected_error": float(1 - probability[first.listed].mean()),
        "sure": len(golden_by_expected_error(probability, limit=error)),
        "null_agreement_mean": float(draws.mean()),
        "null_agreement_high": float(np.percentile(draws, 95)),
        "null_p": float(((draws >= race["agreement"]).sum() + 1) / (len(draws) + 1)),
        "null_alarms": null["alarms"],
        "null_draws": null["draws"],
    }


def _sentence(truth: Truth, numbers: Mapping[str, Any]) -> str:
    race, even, full = numbers["race"], numbers["uniform"], numbers["full_gain"]
    drawn = race["images"] / numbers["images_full"]
    return (
        f"by {truth.metric.name}, {numbers['seeds']:,} seeds, lists of {numbers['top']:,}: with "
        f"{drawn:.0%} of the images ({race['images']:,.0f} of {numbers['images_full']:,}) a race "
        f"reaches {race['attained']:.0%} of the agreement that two full runs have "
        f"({race['agreement']:.2f} of {numbers['ceiling']:.2f}; chance {numbers['chance']:.2f}), "
        f"as many images spread evenly {even['attained']:.0%}; gain on set 3 {race['gain']:.3g} "
        f"[{race['gain_low']:.3g}, {race['gain_high']:.3g}] where all images give "
        f"{full.value:.3g}; {race['certain']:.1f} seeds are certain (error at most "
        f"{numbers['error']:.0%}), {numbers['sure']} sure (as much expected wrong); without a "
        f"seed effect the agreement is "
        f"{numbers['null_agreement_mean']:.2f} (p = {numbers['null_p']:.2g}) and "
        f"{numbers['null_alarms']} of {numbers['null_draws']} races call a seed certain"
    )


def _figure(truth: Truth, curve: Sequence[Mapping[str, Any]], null: Mapping[str, Any]) -> bytes:
    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        _curves(left, truth, curve)
        plots.against_null(
            right, null["agreement"], curve[0]["agreement"], name="agreement with the second list"
        )

    return plots.figure_png(draw, width=9, height=4)


def _curves(axes: "Axes", truth: Truth, curve: Sequence[Mapping[str, Any]]) -> None:
    full = len(truth.seeds) * truth.samples[0].n
    for method, colour in ((RACE, plots.GOOD), (UNIFORM, plots.INK)):
        rows = sorted((r for r in curve if r["method"] == method), key=lambda r: r["images"])
        x = [row["images"] / full for row in rows]
        axes.plot(x, [row["agreement"] for row in rows], "o-", color=colour, label=method)
        low, high = ([row[f"agreement_{end}"] for row in rows] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    for level, name in ((truth.ceiling, "two full runs"), (truth.share, "chance")):
        axes.axhline(level, color=plots.QUIET, linestyle="--", label=name)
    axes.set(xlabel="share of set 1's images drawn", ylabel=f"agreement, {truth.metric.name}")
    axes.legend(fontsize=8, frameon=False)
