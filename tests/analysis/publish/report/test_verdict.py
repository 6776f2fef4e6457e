"""The verdict follows a fixed rule; each row of it is an example here."""

from dataclasses import replace
from typing import Any

import pytest

from analysis.publish.report.verdict import level, verdict
from analysis.ranking.result import Ranking
from tests.analysis.publish.report.examples import ranking


def row(measure: str, seed: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    fields = {"measure": measure, "seed": seed, "seed_low": low, "seed_high": high}
    return {**fields, "seed_null_high": 0.01, "null_bounds": False}


@pytest.mark.parametrize(
    ("share", "low", "high", "expected"),
    [
        (0.10, 0.05, 0.15, "decide"),
        (0.0999, 0.05, 0.15, "shape"),
        (0.10, 0.0499, 0.15, "shape"),
        (0.0199, 0.01, 0.0499, "hardly touch"),
        (0.0199, 0.01, 0.05, "shape"),
        (0.02, -0.01, 0.04, "unclear"),
        (-0.01, -0.02, 0.01, "hardly touch"),
        (0.5, None, None, "unclear"),
    ],
)
def test_levels_at_their_thresholds(
    share: float, low: float | None, high: float | None, expected: str
) -> None:
    assert level(share, low, high) == expected


LAYOUT = row("layout_x_seedling", 0.16, 0.09, 0.23)
WEAK = row("preference_seedling", 0.01, 0.007, 0.014)


def test_the_sentence_names_the_families_and_the_advice_follows() -> None:
    judged = verdict([LAYOUT, WEAK], None)
    assert judged.sentence == "Seeds decide layout and hardly touch quality"
    assert judged.advice == "use the diverse list"
    assert judged.levels["layout"] == ("decide", "layout_x_seedling")


@pytest.mark.parametrize(
    ("rows", "golden", "advice"),
    [
        ([LAYOUT, WEAK], (1, 2), "the golden list holds, but gains little; use the diverse list"),
        ([WEAK], (1, 2), "the golden list holds, but gains little"),
        ([LAYOUT], (1, 2), "use the golden list"),
        ([WEAK], (), "any seed will do"),
        ([row("brightness", 0.04, 0.02, 0.06)], (), "choose seeds by their colours"),
        ([row("layout_x", 0.05, -0.1, 0.2)], (), "draw more prompts"),
        ([row("layout_x", None, None, None)], (), "measure the run"),
    ],
)
def test_advice(rows: list[dict[str, Any]], golden: tuple[int, ...], advice: str) -> None:
    found: Ranking = ranking()
    found = replace(found, golden=replace(found.golden, seeds=golden))
    assert verdict(rows, found).advice.startswith(advice)


def test_the_metric_of_the_ranking_is_quality_whatever_it_is_called() -> None:
    rows = [row("brightness", 0.3, 0.2, 0.4)]
    assert "quality" in verdict(rows, replace(ranking(), metric="brightness")).sentence
    assert "colours" in verdict(rows, None).sentence


def test_columns_of_a_feature_count_as_well() -> None:
    """Without a metric of the same name, a share is that of the feature's column."""
    levels = verdict([row("layout_seedling.y", 0.15, 0.09, 0.2)], None).levels
    assert levels == {"layout": ("decide", "layout_seedling.y")}
    assert verdict([row("appearance.contrast", 0.04, 0.02, 0.06)], None).levels.keys() == {
        "colours"
    }
    assert not verdict([row("layout_seedling.found", 0.15, 0.09, 0.2)], None).levels


def test_a_null_stands_for_an_interval_where_there_is_none() -> None:
    style = {**row("style", 0.066, None, None), "null_bounds": True}
    assert verdict([style], None).levels["style"][0] == "shape"
    assert verdict([{**style, "seed_null_high": 0.07}], None).levels["style"][0] == "unclear"
    assert verdict([{**style, "null_bounds": False}], None).levels["style"][0] == "unclear"
