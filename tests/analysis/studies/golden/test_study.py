"""The golden rules on planted scores: planted seeds are listed, and chance is recognised."""

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from analysis.pictures.contact_sheet import Row
from analysis.studies import load_study
from analysis.studies.golden.lists import again_unrelated
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis.studies.planted_run import GAP, SCORE, SCORES, Values, planted_run

RECIPE = {"features": [SCORES], "metrics": [SCORE, GAP], "ranking": None}
SEEDS = 64


def planted(prompts: Sequence[Prompt], *, spread: float, shared: float) -> Values:
    """Plant seeds that are good by both metrics, and images whose metrics correlate by `shared`."""
    rng = np.random.default_rng(4)
    shape = (SEEDS, len(prompts))
    effect, image = spread * rng.normal(size=(SEEDS, 1)), shared * rng.normal(size=shape)
    score = effect + image + rng.normal(size=shape)
    return {SCORES: {"score": score, "gap": -(effect + image + rng.normal(size=shape))}}


def run_with(path: Path, spread: float, *, shared: float = 0.0, prompts: int = 150) -> Run:
    def make(given: Sequence[Prompt], _seeds: int) -> Values:
        return planted(given, spread=spread, shared=shared)

    return planted_run(path, make, seeds=SEEDS, prompts=prompts, **RECIPE)


def numbers(run: Run) -> dict[str, Any]:
    return dict(load_study("golden").find(run).numbers)


def test_planted_golden_seeds_come_again(tmp_path: Path) -> None:
    found = numbers(run_with(tmp_path, 1.0))
    assert found["length"] == len(found["list"]) >= 12
    assert found["again_no_seed_effect"]["p"] < 0.01
    assert found["again_unrelated"]["p"] < 1e-6
    assert set(found["strict"]) & set(found["again"])
    assert found["length_unrelated"]["mean"] == pytest.approx(16 * 16 / 64)
    assert found["rank_correlation_of_the_metrics"].low > 0  # seeds are good by both


def test_without_seeds_the_list_is_as_long_as_chance_makes_it(tmp_path: Path) -> None:
    found = numbers(run_with(tmp_path, 0.0))
    law = stats.hypergeom(SEEDS, 16, 16)
    assert found["length_unrelated"]["sd"] == pytest.approx(law.std())
    assert found["length_unrelated"]["p"] == pytest.approx(law.sf(found["length"] - 1))
    assert found["length_no_seed_effect"]["p"] > 0.01
    assert found["again_no_seed_effect"]["p"] > 0.01
    assert found["strict"] == []
    words = load_study("golden").find(run_with(tmp_path / "again", 0.0)).outcome
    assert "prompts" in words.rpartition("stricter rule")[2]


@pytest.mark.parametrize("again", [0, 1, 2])
def test_the_law_of_two_unrelated_rankings_is_exact(again: int) -> None:
    """Compare with all choices of tops; a binomial law, with independent seeds, differs."""
    listed, tops = {0, 1}, [list(combinations(range(7), size)) for size in (3, 4)]
    counts = np.array([len(listed & set(a) & set(b)) for a, b in product(*tops)])
    found = again_unrelated(7, 2, (3, 4), again)
    assert found["mean"] == pytest.approx(counts.mean())
    assert found["p"] == pytest.approx((counts >= again).mean())
    naive = stats.binom.sf(again - 1, 2, 3 / 7 * 4 / 7)
    assert again == 0 or naive != pytest.approx(found["p"], rel=0.03)


def test_a_long_list_alone_shows_nothing(tmp_path: Path) -> None:
    """If images are good by both metrics at once, the list is long without any seed effect."""
    found = numbers(run_with(tmp_path, 0.0, shared=2.0))
    assert found["length_unrelated"]["p"] < 0.05  # the naive null is fooled
    assert found["length_no_seed_effect"]["p"] > 0.05
    assert found["again_no_seed_effect"]["p"] > 0.05


def test_the_sheet_shows_on_set_2_the_seeds_chosen_on_set_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If seeds were chosen and shown on one set, the best would look better than they are."""
    run, rows = run_with(tmp_path, 0.3), list[Row]()

    def drawn(_run: Run, shown: Sequence[Row], _prompts: Sequence[Prompt]) -> Image.Image:
        rows.extend(shown)
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr("analysis.studies.golden.study.draw_sheet", drawn)
    frame = load_study("golden").find(run).tables["seeds"].frame
    for name, shown in (("gap", rows[:6]), ("score", rows[6:])):
        one, two = (
            frame.sort(f"rank by {name}, set {number}")["seed"].to_list() for number in (1, 2)
        )
        assert [row.seed for row in shown] == [*one[:3], *one[-3:]] != [*two[:3], *two[-3:]]
        value = dict(frame.select("seed", f"{name}, set 2").iter_rows())
        assert all(f"on set 2: {value[row.seed]:.4g}" in row.label for row in shown)


def test_no_seed_is_called_golden_where_the_order_does_not_repeat(tmp_path: Path) -> None:
    found = load_study("golden").find(run_with(tmp_path / "none", 0.0))
    assert found.numbers["withheld"]
    assert found.numbers["strict"] == []
    assert "no seed is called golden: by gap, halves without a common prompt group" in found.outcome
    real = load_study("golden").find(run_with(tmp_path / "real", 1.0))
    assert real.numbers["withheld"] == []
    assert "no seed is called golden" not in real.outcome
    assert "score, which chose them" in real.outcome
    assert "Only gap, score, which chose the seeds, was asked" in real.outcome


def test_a_metric_whose_seeds_tie_is_refused(tmp_path: Path) -> None:
    """Two of 64 seeds differ by the score, so 62 would tie for 16 places."""

    def make(prompts: Sequence[Prompt], _seeds: int) -> Values:
        values = planted(prompts, spread=1.0, shared=0.0)[SCORES]
        rare = np.where(np.arange(SEEDS)[:, None] < 2, values["score"], 0.0)
        return {SCORES: {"score": np.abs(rare), "gap": values["gap"]}}

    run = planted_run(tmp_path, make, seeds=SEEDS, prompts=150, **RECIPE)
    with pytest.raises(RunError, match=r"too many ties \(on score, 64 of 64 seeds tie for 16"):
        numbers(run)


def test_a_missing_metric_is_named(tmp_path: Path) -> None:
    run = planted_run(
        tmp_path,
        lambda p, _: planted(p, spread=1.0, shared=0.0),
        seeds=SEEDS,
        features=[SCORES],
        metrics=[SCORE],
        ranking=None,
    )
    with pytest.raises(RunError, match="needs a distance"):
        numbers(run)
