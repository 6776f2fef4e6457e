"""`golden`: the seeds that a distance and a preference both call good, and what chance calls so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.pictures import plots
from analysis.pictures.contact_sheet import Row, draw_sheet, pick_prompts
from analysis.ranking.joint_rule import Judged, judge, list_null
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.golden.lists import GoldenLists
from analysis.study_tools.measured import distance_and_preference, identities, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

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
    version: ClassVar[int] = 2

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
        lists = GoldenLists.of(
            (first, second), null, share=self.share, rng=self.rng(run, "posterior")
        )
        return Findings(
            outcome=_sentence(lists),
            numbers=lists.numbers(),
            tables={"seeds": _table(lists)},
            figures={"chance": _chance_figure(lists), **_sheet(run, lists)},
            identities=identities(run, metrics=metrics),
        )


def _refuse_small(*companies: Sequence[Judged]) -> None:
    require(len(companies[0][0].sample.seeds), LEAST_SEEDS, "seeds")
    for number, company in enumerate(companies, start=1):
        for one in company:
            groups = len(set(one.sample.groups.tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups for {one.metric.name} in set {number}")


def _sentence(lists: GoldenLists) -> str:
    found = lists.numbers()
    null, again = found["length_no_seed_effect"], found["again_no_seed_effect"]
    alike = found["rank_correlation_of_the_metrics"]
    one, two = (each["metric"] for each in found["metrics"])
    strict = f"{len(lists.strict)} seeds golden by the stricter rule"
    if not lists.strict:
        strict += f" ({'; '.join(lists.words)})"
    return (
        f"{found['length']} of {found['seeds']:,} seeds are in the top {lists.share:.0%} by "
        f"{one} and {two} on set 1; unrelated rankings share "
        f"{found['length_unrelated']['mean']:.1f} +- {found['length_unrelated']['sd']:.1f}, no "
        f"seed effect gives {null['mean']:.1f} +- {null['sd']:.1f} (their ranks correlate at "
        f"{alike.value:.2f} [{alike.low:.2f}, {alike.high:.2f}]); {found['again_count']} of "
        f"them again on set 2, where unrelated gives {found['again_unrelated']['mean']:.1f} "
        f"and no seed effect {again['mean']:.1f} +- {again['sd']:.1f} (p = {again['p']:.2g}); "
        f"{strict}"
    )


def _table(lists: GoldenLists) -> StudyTable:
    """One row a seed; columns of every metric, explained as they are made."""
    found: dict[str, tuple[Any, str]] = {"seed": (list(lists.seeds), "the seed")}
    for i, one in enumerate(lists.second):
        name = one.metric.name
        for number, judged in ((1, lists.first[i]), (2, one)):
            of = f"{name}, set {number}"
            found[of] = (judged.own, f"value on prompt set {number}, {one.metric.unit}")
            found[f"rank by {of}"] = (judged.ranks, "1 is best, ties share their mean rank")
        meaning = "posterior probability of the true top share, from set 2"
        found[f"p top by {name}"] = (lists.top[i], meaning)
    meaning = "at least so probable by all metrics together (union bound)"
    found["p top by all"] = (lists.top[-1], meaning)
    for name, places, meaning in (
        ("listed", lists.listed, "in the top share by all metrics on set 1: the paper's rule"),
        ("again", lists.again, "listed, and in the top share by all metrics on set 2"),
        ("strict", lists.strict, "golden by the stricter rule"),
    ):
        found[name] = ([at in places for at in range(len(lists.seeds))], meaning)
    return StudyTable(
        pl.DataFrame({name: values for name, (values, _) in found.items()}),
        {name: meaning for name, (_, meaning) in found.items()},
    )


def _chance_figure(lists: GoldenLists) -> bytes:
    numbers = lists.numbers()

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        label = "no seed effect"
        plots.against_null(
            left,
            lists.null.length,
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
            lists.null.again,
            numbers["again_count"],
            name="of these, listed again on set 2",
            null_name=label,
        )

    return plots.figure_png(draw, width=9, height=3.6)


def _sheet(run: Run, lists: GoldenLists) -> dict[str, bytes]:
    """Top and bottom three of set 1 by each metric, with values and pictures of set 2.

    Set 2 had no part in choosing them, so its values flatter none. Nothing where none is kept.
    """
    rows = []
    for first, second in zip(lists.first, lists.second, strict=True):
        order, metric = np.argsort(first.ranks, kind="stable"), first.metric.name
        for name, places in (("best", order[:SHOWN]), ("worst", order[-SHOWN:])):
            for at in places:
                seen = f"on set 2: {second.own[at]:.4g}"
                label = f"seed {lists.seeds[at]}\n{name} by\n{metric}\n{seen}"
                rows.append(Row(label, lists.seeds[at]))
    try:
        return {"sheet": plots.image_png(draw_sheet(run, rows, pick_prompts(run, COLUMNS)))}
    except RunError:
        return {}
