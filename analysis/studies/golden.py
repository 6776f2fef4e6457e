"""`golden`: the seeds that a distance and a preference both call good, and what chance calls so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from analysis import plots
from analysis.confirmation import p_value
from analysis.contact_sheet import Row, draw_sheet, pick_prompts
from analysis.golden_rule import Judged, ListNull, judge, list_null, top_by_all
from analysis.repeatability import prompts_needed, repeatability
from analysis.statistics.nulls import overlap_null
from analysis.statistics.reliability import golden_by_expected_error, midranks, rank_correlation
from analysis.strict import EXPECTED_ERROR, top_probabilities
from analysis.studies.base import (
    Findings,
    Study,
    StudyTable,
    distance_and_preference,
    identities,
    require,
)
from pipeline.errors import RunError
from pipeline.runs import Run

Floats = NDArray[np.float64]

LEAST_SEEDS, LEAST_GROUPS = 8, 4
SHOWN, COLUMNS = 3, 8
"""Seeds at each end of each metric on the sheet, and prompts."""


@dataclass(frozen=True)
class Golden(Study):
    """The paper's rule for golden seeds, both of its nulls, and a stricter rule beside it.

    Question: Which seeds are good by a distance from reference images and by a preference score
        at once, and are they good again on other prompts?
    Method: The paper's rule: golden is who is in the top share of the seeds (256 of 1,024) by
        both on prompt set 1. Counted is how many of these are so again on set 2. The stricter
        rule: set-2 values are shrunken to the population of seeds; a seed's probability of
        belonging to the true top share by both is at least 1 less its two errors, and listed
        are the most probable while the expected share of wrong ones stays at 10 %.
    Null: Two unrelated rankings: the hypergeometric law of the list's length, and the share
        that chance puts on both sets' lists. No seed effect: within each prompt it is permuted
        which seed owns which image, all numbers of an image together, in both sets, and the
        whole rule is applied again.
    n: Per metric and set in the summary; one image per seed and prompt.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, section on
        golden seeds (65 and 67 seeds of 1,024: what two unrelated rankings share, 64 +- 6).

    Attributes:
        distance: Metric where lower is better; the recipe's first such if empty.
        preference: Metric where higher is better; the recipe's first such if empty.
        share: Share of the seeds that is the top of one metric.
        permutations: Draws of the null.
    """

    name: ClassVar[str] = "golden"
    version: ClassVar[int] = 1

    distance: str = ""
    preference: str = ""
    share: float = 0.25
    permutations: int = 200

    def find(self, run: Run) -> Findings:
        """Apply both rules."""
        metrics = distance_and_preference(run, self.distance, self.preference)
        first, second = (judge(run, metrics, number) for number in (1, 2))
        _refuse_small(first, second)
        null = list_null((first, second), self.share, self.rng(run, "null"), self.permutations)
        found = _Found.of(self, run, first, second, null)
        return Findings(
            outcome=found.sentence(),
            numbers=found.numbers(),
            tables={"seeds": StudyTable(found.frame(), found.columns())},
            pictures={"chance": _chance_picture(found), **_sheet(run, found)},
            identities=identities(run, metrics=metrics),
        )


def _refuse_small(*companies: Sequence[Judged]) -> None:
    require(len(companies[0][0].sample.seeds), LEAST_SEEDS, "seeds")
    for number, company in enumerate(companies, start=1):
        for one in company:
            groups = len(set(one.sample.groups.tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups for {one.metric.name} in set {number}")


@dataclass(frozen=True, eq=False)
class _Found:
    """Both lists with what they stand beside."""

    share: float
    first: Sequence[Judged]
    second: Sequence[Judged]
    null: ListNull
    values: Mapping[tuple[str, int], Floats]
    top: Sequence[Floats]
    strict: tuple[int, ...]
    words: Sequence[str]

    @classmethod
    def of(
        cls,
        study: Golden,
        run: Run,
        first: Sequence[Judged],
        second: Sequence[Judged],
        null: ListNull,
    ) -> "_Found":
        values = {
            (one.metric.name, number): one.values()
            for number, company in ((1, first), (2, second))
            for one in company
        }
        top = [
            top_probabilities(
                one.metric,
                one.prepared,
                one.sample,
                study.rng(run, f"posterior {one.metric.name}"),
                share=study.share,
            )
            for one in second
        ]
        both = np.maximum(sum(top) - (len(top) - 1), 0.0)
        strict = tuple(map(int, golden_by_expected_error(both, limit=EXPECTED_ERROR)))
        words = [_needed(pair, study.rng(run, f"splits {i}")) for i, pair in
                 enumerate(zip(first, second, strict=True))]  # fmt: skip
        return cls(study.share, first, second, null, values, [*top, both], strict, words)

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.first[0].sample.seeds

    @property
    def listed(self) -> frozenset[int]:
        return top_by_all(self.first, self.share)

    @property
    def again(self) -> frozenset[int]:
        return self.listed & top_by_all(self.second, self.share)

    def numbers(self) -> dict[str, Any]:
        tops = [len(one.top(one.values(), self.share)) for one in self.first]
        unrelated = overlap_null(len(self.seeds), *tops)
        k, again = len(self.listed), len(self.again)
        sizes = [len(one.top(one.values(), self.share)) for one in self.second]
        chance = float(np.prod([size / len(self.seeds) for size in sizes]))
        metrics = [
            {
                "metric": one.metric.name,
                "unit": one.metric.unit,
                "higher_is_better": one.metric.higher_is_better,
                "n_set1": one.sample.n,
                "n_set2": two.sample.n,
                "top_on_set1": tops[i],
                "rank_correlation": rank_correlation(
                    *(self.values[(one.metric.name, s)] for s in (1, 2))
                ),
                "prompts_needed_note": self.words[i],
            }
            for i, (one, two) in enumerate(zip(self.first, self.second, strict=True))
        ]
        names = [one.metric.name for one in self.first]
        return {
            "seeds": len(self.seeds),
            "share": self.share,
            "metrics": metrics,
            "rank_correlation_of_the_metrics": rank_correlation(
                *(self.values[(name, 1)] for name in names)
            ),
            "list": self._named(self.listed),
            "length": k,
            "length_unrelated": {
                "mean": unrelated.mean,
                "sd": unrelated.sd,
                "p": unrelated.probability_at_least(k),
            },
            "length_no_seed_effect": _chance(self.null.length, k),
            "again": self._named(self.again),
            "again_count": again,
            "again_unrelated": {
                "mean": k * chance,
                "p": float(stats.binom.sf(again - 1, k, chance)) if k else 1.0,
            },
            "again_no_seed_effect": _chance(self.null.again, again),
            "strict": [self.seeds[place] for place in self.strict],
            "strict_limit": EXPECTED_ERROR,
        }

    def _named(self, places: frozenset[int]) -> list[int]:
        """Seeds of a list, the best by mean rank on set 2 first."""
        each = [_ranks(one, self.values[(one.metric.name, 2)]) for one in self.second]
        ranks = np.sum(each, axis=0)
        return [self.seeds[place] for place in sorted(places, key=lambda at: (ranks[at], at))]

    def sentence(self) -> str:
        found = self.numbers()
        null, again = found["length_no_seed_effect"], found["again_no_seed_effect"]
        one, two = (each["metric"] for each in found["metrics"])
        strict = f"{len(self.strict)} seeds golden by the stricter rule"
        if not self.strict:
            strict += f" ({'; '.join(self.words)})"
        return (
            f"{found['length']} of {found['seeds']:,} seeds are in the top {self.share:.0%} by "
            f"{one} and {two} on set 1; unrelated rankings share "
            f"{found['length_unrelated']['mean']:.1f} +- {found['length_unrelated']['sd']:.1f}, no "
            f"seed effect gives {null['mean']:.1f} +- {null['sd']:.1f}; {found['again_count']} of "
            f"them again on set 2, where unrelated gives {found['again_unrelated']['mean']:.1f} "
            f"and no seed effect {again['mean']:.1f} +- {again['sd']:.1f} (p = {again['p']:.2g}); "
            f"{strict}"
        )

    def frame(self) -> pl.DataFrame:
        columns: dict[str, Any] = {"seed": list(self.seeds)}
        for i, one in enumerate(self.second):
            name = one.metric.name
            for number, judged in ((1, self.first[i]), (2, one)):
                columns[f"{name}, set {number}"] = self.values[(name, number)]
                columns[f"rank by {name}, set {number}"] = _ranks(
                    judged, self.values[(name, number)]
                )
            columns[f"p top by {name}"] = self.top[i]
        columns["p top by all"] = self.top[-1]
        places = range(len(self.seeds))
        columns["listed"] = [place in self.listed for place in places]
        columns["again"] = [place in self.again for place in places]
        columns["strict"] = [place in self.strict for place in places]
        return pl.DataFrame(columns)

    def columns(self) -> dict[str, str]:
        explained = {"seed": "the seed"}
        for one in self.second:
            name = one.metric.name
            for number in (1, 2):
                explained[f"{name}, set {number}"] = (
                    f"value on prompt set {number}, {one.metric.unit}"
                )
                explained[f"rank by {name}, set {number}"] = "1 is best, ties share their mean rank"
            explained[f"p top by {name}"] = (
                "posterior probability of the true top share, from set 2"
            )
        return explained | {
            "p top by all": "at least so probable by all metrics together (union bound)",
            "listed": "in the top share by all metrics on set 1: the paper's rule",
            "again": "listed, and in the top share by all metrics on set 2",
            "strict": "golden by the stricter rule",
        }


def _ranks(one: Judged, values: Floats) -> Floats:
    return midranks(-values if one.best == "higher" else values)


def _chance(null: Floats, observed: int) -> dict[str, float]:
    return {
        "mean": float(null.mean()),
        "sd": float(null.std()),
        "p": p_value(null, observed),
        "draws": len(null),
    }


def _needed(pair: tuple[Judged, Judged], rng: np.random.Generator) -> str:
    """How many prompts a repeatable ranking by one metric would take, in words."""
    one, two = pair
    prepared, samples = [one.prepared, two.prepared], [one.sample, two.sample]
    found = repeatability(one.metric, prepared, samples, rng)
    needed = prompts_needed(found, per_image_mean=one.metric.per_image_mean)
    return f"{one.metric.name}: {needed.words}"


def _chance_picture(found: _Found) -> bytes:
    numbers = found.numbers()

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        label = "no seed effect"
        plots.against_null(
            left,
            found.null.length,
            numbers["length"],
            name="seeds listed on set 1",
            null_name=label,
        )
        unrelated = numbers["length_unrelated"]
        ends = (unrelated["mean"] - 2 * unrelated["sd"], unrelated["mean"] + 2 * unrelated["sd"])
        left.axvspan(*ends, color=plots.INK, alpha=0.15)
        left.set_title("blue: two unrelated rankings, +- 2 sd", fontsize=9)
        plots.against_null(
            right,
            found.null.again,
            numbers["again_count"],
            name="of these, listed again on set 2",
            null_name=label,
        )

    return plots.picture(draw, width=9, height=3.6)


def _sheet(run: Run, found: _Found) -> dict[str, bytes]:
    """Top and bottom three by each metric over prompts of set 2; nothing where none is kept."""
    rows = []
    for one in found.second:
        values = found.values[(one.metric.name, 2)]
        order = np.argsort(_ranks(one, values), kind="stable")
        for name, places in (("best", order[:SHOWN]), ("worst", order[-SHOWN:])):
            for at in places:
                label = f"seed {found.seeds[at]}\n{name} by\n{one.metric.name}\n{values[at]:.4g}"
                rows.append(Row(label, found.seeds[at]))
    try:
        return {"sheet": plots.image_png(draw_sheet(run, rows, pick_prompts(run, COLUMNS)))}
    except RunError:
        return {}
