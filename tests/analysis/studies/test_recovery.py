"""Planted seeds are found, stronger ones more often; without a loss only as often as by chance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.metrics import load_metric
from analysis.ranking.joint_rule import judge
from analysis.studies import load_study
from analysis.studies.base import Findings
from pipeline.errors import RunError
from pipeline.planted import STRENGTHS, planted
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis.studies.planted_run import GAP, SCORE, SCORES, Values, planted_run

SEEDS = 400
RECIPE = {"features": [SCORES], "metrics": [SCORE, GAP], "ranking": None}
LOST = np.array([planted(seed) for seed in range(SEEDS)])


def run_with(path: Path, loss: float, *, intervention: str = "seed_plant") -> Run:
    """Plant seeds with a standard deviation of 1, and the loss `loss` for all of the contrast."""

    def make(prompts: Sequence[Prompt], seeds: int) -> Values:
        rng = np.random.default_rng(5)
        effect = rng.normal(size=(seeds, 1)) - loss * LOST[:, None]
        noise = rng.normal(size=(2, seeds, len(prompts)))
        return {SCORES: {"score": effect + noise[0], "gap": -effect + noise[1]}}

    return planted_run(
        path, make, seeds=SEEDS, prompts=100, tile=(100, 100), intervention=intervention, **RECIPE
    )


def find(run: Run) -> Findings:
    return load_study("recovery").find(run)


def test_the_stronger_the_loss_the_more_are_found(tmp_path: Path) -> None:
    found = find(run_with(tmp_path, 10.0))
    for metric in ("score", "gap"):
        none, *rows = found.tables["curve"].frame.filter(metric=metric).rows(named=True)
        assert [row["strength"] for row in rows] == list(STRENGTHS)
        assert sum(row["seeds"] for row in rows) == (LOST > 0).sum()
        assert rows[-1]["recovered"] == 1 > none["recovered"] + 0.5
        assert rows[-1]["p"] < 0.01 < rows[0]["p"]
        assert rows[0]["recovered"] <= rows[-2]["recovered"]
        for row in rows:  # the mean effect of five seeds has a standard deviation of 0.45
            assert row["loss"] == pytest.approx(10 * row["strength"], abs=1.3)
            assert row["loss_low"] < row["loss"] < row["loss_high"]
    assert "5 of 5 that lose 40%" in found.outcome


def test_a_metric_that_does_not_vary_is_left_out(tmp_path: Path) -> None:
    run = run_with(tmp_path, 10.0)
    found = load_study("recovery", {"metrics": [SCORE, "failure_rate"]}).find(run)
    assert set(found.tables["curve"].frame["metric"]) == {"score"}
    assert "failure_rate is left out: its values do not vary" in found.outcome


def test_the_seeds_found_are_counted_and_compared_with_chance(tmp_path: Path) -> None:
    """Compare with a plain count and with Fisher's exact test."""
    run = run_with(tmp_path, 6.0)
    frame = find(run).tables["curve"].frame.filter(metric="score")
    sets = [judge(run, [load_metric(SCORE)], number)[0].seed_values for number in (1, 2)]
    worst = set.intersection(*(set(np.argsort(one)[:100].tolist()) for one in sets))
    for row in frame.rows(named=True):
        mine = set(np.flatnonzero(row["strength"] == LOST).tolist())
        assert row["found"] == len(worst & mine)
        if row["strength"]:
            table = [[row["found"], len(mine) - row["found"]]]
            table.append([len(worst) - row["found"], SEEDS - len(worst | mine)])
            assert row["p"] == pytest.approx(stats.fisher_exact(table, "greater").pvalue)


def test_without_a_loss_they_are_found_by_chance_only(tmp_path: Path) -> None:
    rows = find(run_with(tmp_path, 0.0)).numbers["curve"]
    assert min(row["p"] for row in rows if row["p"] is not None) > 0.01
    assert all(abs(row["loss"]) < 1.3 for row in rows if row["strength"])


def test_a_run_without_planted_seeds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"intervention none; .* needs .* seed_plant"):
        find(run_with(tmp_path / "none", 0.0, intervention="none"))
    few = planted_run(
        tmp_path / "few",
        lambda p, s: {SCORES: dict.fromkeys(("score", "gap"), np.zeros((s, len(p))))},
        seeds=120,
        prompts=24,
        intervention="seed_plant",
        **RECIPE,
    )
    with pytest.raises(RunError, match=r"1 seeds that lose 0.2 .* at least 2"):
        find(few)
