"""`golden`: the seeds that are good by a distance and a preference, and what chance would list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.pictures import plots
from analysis.pictures.contact_sheet import Row, draw_sheet, pick_prompts
from analysis.pictures.plots import DrawnFigure
from analysis.ranking.joint_rule import Judged, judge, list_null
from analysis.ranking.judges import judge_chosen
from analysis.statistics.monte_carlo import p_words
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.golden.figures import chance_figure
from analysis.studies.golden.lists import GoldenLists
from analysis.study_tools.measured import distance_and_preference, identities, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 8, 4
SHEET_SEEDS, SHEET_PROMPTS = 3, 8
"""Best and worst seeds of each metric on the sheet, each; and prompts."""


@dataclass(frozen=True)
class Golden(Study):
    """The paper's rule for golden seeds, two nulls for it, and a stricter rule.

    Question: Which seeds are good both by a distance from reference images and by a preference
        score, and are they good again on other prompts?
    Method: The paper's rule: a seed is golden if it is in the top share of the seeds (256 of 1,024)
        by both metrics on prompt set 1. The study counts how many of these are in the top share
        again on set 2. The stricter rule: set-2 values are shrunken towards the mean of all seeds.
        The probability that a seed is in the true top share by both metrics is at least 1 minus
        the sum of the two error probabilities. The most probable seeds are listed as long as the
        expected share of wrong seeds is at most 10 %. If the order by one of the metrics does not
        repeat between halves without a common prompt group, no seed is named. How often images of
        the listed seeds are better is reported on set 2 by the preference and by a score that did
        not choose.
    Null: Two unrelated rankings: the hypergeometric distribution of the length of the list, and of
        the seeds listed on both sets. No seed effect: in each prompt group, the images with all
        their numbers are permuted among the seeds, alike for all its prompts and in both sets, and
        the whole rule is applied again.
    n: One image per seed and prompt; the summary states n for each metric and set.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, section on
        golden seeds (65 and 67 seeds of 1,024; two unrelated rankings share 64 +- 6).

    Attributes:
        distance: Metric where lower is better; if empty, the first such metric of the recipe.
        preference: Metric where higher is better; if empty, the first such metric of the recipe.
        share: Share of the seeds that counts as the top of one metric.
        permutations: Draws of the null.
    """

    name: ClassVar[str] = "golden"
    version: ClassVar[int] = 3

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
        judged = judge_chosen(run, metrics, lists.ordered(lists.listed))
        return Findings(
            outcome="; ".join(filter(None, [_sentence(lists), judged.words.rstrip(".")])),
            numbers={
                **lists.numbers(),
                "win_rates": judged.win_rates,
                "judges_note": judged.words,
            },
            tables={"seeds": _table(lists)},
            figures={"chance": chance_figure(lists.numbers()), **_sheet(run, lists)},
            identities=identities(run, metrics=metrics),
        )


def _refuse_small(*sets: Sequence[Judged]) -> None:
    require(len(sets[0][0].sample.seeds), LEAST_SEEDS, "seeds")
    for number, metrics in enumerate(sets, start=1):
        for judged in metrics:
            groups, name = len(set(judged.sample.groups.tolist())), judged.metric.name
            require(groups, LEAST_GROUPS, f"prompt groups for {name} in set {number}")


def _sentence(lists: GoldenLists) -> str:
    numbers = lists.numbers()
    null, again = numbers["length_no_seed_effect"], numbers["again_no_seed_effect"]
    correlation = numbers["rank_correlation_of_the_metrics"]
    distance, preference = (row["metric"] for row in numbers["metrics"])
    strict = f"{len(lists.strict)} seeds are golden by the stricter rule"
    if not lists.strict:
        strict += f" ({'; '.join(lists.words)})"
    if lists.withheld:
        strict = f"no seed is called golden: {'; '.join(lists.withheld)}; {strict}"
    strict = "; ".join([strict, *(warning.rstrip(".") for warning in lists.warnings)])
    return (
        f"{numbers['length']} of {numbers['seeds']:,} seeds are in the top {lists.share:z.0%} by "
        f"{distance} and {preference} on set 1; unrelated rankings share "
        f"{numbers['length_unrelated']['mean']:z.1f} +- {numbers['length_unrelated']['sd']:z.1f}, "
        f"without a seed effect {null['mean']:z.1f} +- {null['sd']:z.1f} (rank correlation of the "
        f"metrics {correlation.value:z.2f} [{correlation.low:z.2f}, {correlation.high:z.2f}]); "
        f"{numbers['again_count']} of them are so again on set 2, with unrelated rankings "
        f"{numbers['again_unrelated']['mean']:z.1f}, without a seed effect {again['mean']:z.1f} +- "
        f"{again['sd']:z.1f} ({p_words(again['p'], again['draws'])}); {strict}"
    )


def _table(lists: GoldenLists) -> StudyTable:
    """One row per seed; the columns of each metric with their explanations."""
    columns: dict[str, tuple[Any, str]] = {"seed": (list(lists.seeds), "the seed")}
    for i, second in enumerate(lists.second):
        name = second.metric.name
        for number, judged in ((1, lists.first[i]), (2, second)):
            values = f"{name}, set {number}"
            meaning = f"value on prompt set {number}, {second.metric.unit}"
            columns[values] = (judged.seed_values, meaning)
            meaning = "rank, 1 is best; tied seeds have the mean of their ranks"
            columns[f"rank by {values}"] = (judged.ranks, meaning)
        meaning = "posterior probability of being in the true top share, from set 2"
        columns[f"p top by {name}"] = (lists.top[i], meaning)
    meaning = "lower bound of that probability for all metrics together (union bound)"
    columns["p top by all"] = (lists.top[-1], meaning)
    for name, listed, meaning in (
        ("listed", lists.listed, "in the top share by all metrics on set 1: the paper's rule"),
        ("again", lists.again, "listed, and in the top share by all metrics on set 2"),
        ("strict", lists.strict, "golden by the stricter rule"),
    ):
        columns[name] = ([index in listed for index in range(len(lists.seeds))], meaning)
    return StudyTable(
        pl.DataFrame({name: values for name, (values, _) in columns.items()}),
        {name: meaning for name, (_, meaning) in columns.items()},
    )


def _sheet(run: Run, lists: GoldenLists) -> dict[str, DrawnFigure]:
    """The best and worst seeds of set 1 by each metric, with values and images of set 2.

    Set 2 was not used to choose them, so its values are not biased by the choice.

    Returns:
        Name of the file -> figure; empty if no such image was kept.
    """
    rows = []
    for first, second in zip(lists.first, lists.second, strict=True):
        order, metric = np.argsort(first.ranks, kind="stable"), first.metric.name
        for end, indices in (("best", order[:SHEET_SEEDS]), ("worst", order[-SHEET_SEEDS:])):
            for index in indices:
                seed, value = lists.seeds[index], f"on set 2: {second.seed_values[index]:.4g}"
                rows.append(Row(f"seed {seed}\n{end} by\n{metric}\n{value}", seed))
    prompts = pick_prompts(run, SHEET_PROMPTS)
    try:
        drawn = draw_sheet(run, rows, prompts)
    except RunError:
        return {}
    caption = "Rows: the best and the worst seeds of set 1 by each metric. Columns: set 2."
    return {"sheet": plots.sheet(drawn, caption)}
