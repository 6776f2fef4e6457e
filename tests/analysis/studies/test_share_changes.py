"""The seed's share in several runs with planted shares: known changes are found, others are not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from statsmodels.stats.multitest import multipletests

from analysis.studies import Findings, load_study
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import parse_recipe
from tests.analysis.studies.planted_run import LAYOUT, SCORE, SCORES, Values, planted_run

RECIPE: dict[str, Any] = {"features": [SCORES, LAYOUT], "metrics": [SCORE], "ranking": None}
SEEDS = 48


def planted(
    path: Path,
    effect: float,
    number: int,
    *,
    features: Sequence[str] = (),
    constant: bool = False,
    rare: int = 0,
) -> Run:
    """Plant scores with a seed share of effect^2 / (1 + effect^2), and positions with none."""

    def make(prompts: Sequence[Prompt], seeds: int) -> Values:
        rng, shape = np.random.default_rng([7, number]), (seeds, len(prompts))
        base = np.random.default_rng(1).standard_normal((seeds, 1))
        score = np.full(shape, 0.5) if constant else effect * base + rng.standard_normal(shape)
        found = rng.random(shape) < 0.9
        seen = found.astype(float)
        if rare:
            seen = np.zeros(shape)
            seen.flat[rng.choice(seen.size, rare, replace=False)] = 1
        place = {name: np.where(found, rng.random(shape), np.nan) for name in ("x", "y")}
        rest = {name: np.full(shape, 0.5) for name in ("size", "depth")}
        return {
            SCORES: {"score": score, "gap": rng.standard_normal(shape)},
            LAYOUT: {"found": seen, **place, **rest},
        }

    fields = {**RECIPE, **({"features": list(features)} if features else {})}
    return planted_run(path, make, seeds=SEEDS, prompts=120, **fields)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    path = tmp_path_factory.mktemp("share_changes")
    run = planted(path / "a", 1.0, 0)
    planted(path / "less", 0.5, 1)
    planted(path / "alike", 1.0, 2)
    study = load_study("share_changes", {"runs": {"less": "../less", "alike": "../alike"}})
    return study.find(run)


def row(found: Findings, measure: str, run: str) -> dict[str, Any]:
    [one] = (r for r in found.numbers["shares"] if (r["measure"], r["run"]) == (measure, run))
    return dict(one)


def test_planted_shares_are_found(found: Findings) -> None:
    mine = row(found, "score", "this run")
    assert mine["low"] < 0.5 < mine["high"]
    assert mine["p"] < 0.01
    assert mine["null_high"] < 0.05
    assert mine["change"] is None
    nothing = row(found, f"{LAYOUT}.x", "this run")
    assert nothing["low"] < 0 < nothing["high"] < 0.02
    assert nothing["n"] < SEEDS * 120


def test_a_change_is_found_only_where_there_is_one(found: Findings) -> None:
    less = row(found, "score", "less")
    assert less["change_low"] < 0.2 - 0.5 < less["change_high"] < 0
    alike = row(found, "score", "alike")
    assert alike["change_low"] < 0 < alike["change_high"]
    assert "score: the seed explains" in found.outcome
    assert "less" in found.outcome


def test_p_values_of_changes_are_adjusted_for_all_of_them(found: Findings) -> None:
    changes = [r for r in found.numbers["shares"] if r["change"] is not None]
    p_values = [r["change_p"] for r in changes]
    adjusted = [r["change_p_holm"] for r in changes]
    assert len(changes) > 4
    np.testing.assert_allclose(adjusted, multipletests(p_values, method="holm")[1])
    assert adjusted != p_values
    for change in changes:
        assert (change["change_p"] < 0.05) == (change["change_low"] * change["change_high"] > 0)
    assert row(found, "score", "less")["change_p_holm"] < 0.01
    assert row(found, "score", "this run")["change_p_holm"] is None


def test_what_does_not_vary_is_left_out_with_a_reason(found: Findings) -> None:
    assert f"{LAYOUT}.size" not in {r["measure"] for r in found.numbers["shares"]}
    said = f"{LAYOUT}.size of this run is left out: values do not vary"
    assert any(said in text for text in found.numbers["refused"])
    control = parse_recipe(yaml.safe_load(found.recipes["scrambled"]), Path("scrambled.yaml"))
    assert control.sampling.intervention is not None
    assert control.sampling.intervention.name == "seed_scramble"


def test_a_run_without_a_share_does_not_stop_the_others(tmp_path: Path) -> None:
    run = planted(tmp_path / "a", 1.0, 0)
    planted(tmp_path / "flat", 0.0, 1, constant=True)
    found = load_study("share_changes", {"runs": {"flat": "../flat"}, "permutations": 20}).find(run)
    assert row(found, "score", "this run")["share"] > 0.3
    assert "score of flat is left out: values do not vary" in found.outcome


def test_a_rare_measure_has_a_share_but_no_interval(tmp_path: Path) -> None:
    run = planted(tmp_path / "a", 0.0, 0, rare=8)
    planted(tmp_path / "b", 0.0, 1, rare=8)
    found = load_study("share_changes", {"runs": {"b": "../b"}, "permutations": 20}).find(run)
    rare = row(found, f"{LAYOUT}.found", "b")
    assert rare["low"] is None
    assert rare["change_low"] is None
    assert rare["change_p_holm"] is None
    assert abs(rare["change"]) < 0.1
    usual = row(found, f"{LAYOUT}.x", "b")
    assert usual["change_n"] < usual["n"]


def test_measures_are_those_that_all_runs_have(tmp_path: Path) -> None:
    run = planted(tmp_path / "a", 1.0, 0)
    planted(tmp_path / "b", 1.0, 1, features=[SCORES])
    study = load_study("share_changes", {"runs": {"b": "../b"}, "permutations": 20})
    measures = {r["measure"] for r in study.find(run).numbers["shares"]}
    assert measures == {"score", f"{SCORES}.gap"}
    asked = load_study("share_changes", {"runs": {"b": "../b"}, "measures": [f"{LAYOUT}.x"]})
    with pytest.raises(RunError, match=r"x is not measured in all runs; .* needs one of: score"):
        asked.find(run)
