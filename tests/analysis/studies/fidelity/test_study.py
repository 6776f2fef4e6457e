"""Fidelity on planted scores: the gain of golden seeds is what was planted."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from analysis.ranking.rank import rank
from analysis.studies import load_study
from analysis.studies.base import Findings
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import parse_recipe
from tests.analysis.studies.planted_run import GAP, SCORE, SCORES, Gap, Values, planted_run

SEEDS, GOOD = 40, tuple(range(6))
KINDS = ("this run", "other kind")
RECIPE = {"features": [SCORES], "metrics": [SCORE, GAP], "ranking": None}


def planted(prompts: Sequence[Prompt], gain: float, *, salt: int = 0) -> Values:
    rng = np.random.default_rng([7, salt])
    shape = (SEEDS, len(prompts))
    effect = gain * np.isin(np.arange(SEEDS), GOOD)[:, None]
    prompt = rng.normal(size=(1, len(prompts)))
    return {
        SCORES: {
            "score": effect + prompt + rng.normal(size=shape),
            "gap": -effect + rng.normal(size=shape),
        }
    }


def run_with(path: Path, gain: float) -> Run:
    return planted_run(path, lambda p, _: planted(p, gain), seeds=SEEDS, prompts=200, **RECIPE)


def find(run: Run, **settings: str | int) -> Findings:
    return load_study("fidelity", {"sets": 200, **settings}).find(run)


def test_the_gain_is_what_was_planted(tmp_path: Path) -> None:
    findings = find(run_with(tmp_path, 1.0))
    assert "no shown reliability" not in findings.outcome
    assert "weigh more than" not in findings.outcome
    found = findings.numbers
    assert set(GOOD) <= set(found["golden"])
    product = found["preference"]["this run"]
    k = len(found["golden"])
    truth = len(GOOD) / k - len(GOOD) / SEEDS
    assert product["gain"].low < truth < product["gain"].high
    assert product["win_rate"].low > 0.5
    assert 0 < product["share_of_best_of_four"].value < 1.2
    for row in found["table"]:
        assert row["p"] == pytest.approx(1 / 201)
        assert row["seeds"] == k
    preference = [row["preference"] for row in found["pools"]]
    assert preference[0] > preference[-1]
    assert [row["seeds"] for row in found["pools"]] == [1, 4, 16, 40]


def test_a_list_by_chance_gains_nothing_on_set_3(tmp_path: Path) -> None:
    findings = find(run_with(tmp_path, 0.0), share=0.5)
    found = findings.numbers
    assert "has no shown reliability, so golden seeds" in findings.outcome
    assert found["golden"]
    assert found["preference"]["this run"]["gain"].low < 0.05
    assert all(row["p"] > 0.02 for row in found["table"])


def test_by_preference_alone_the_golden_seeds_are_those_of_the_ranking(tmp_path: Path) -> None:
    def at_odds(prompts: Sequence[Prompt], _: int) -> Values:
        values = planted(prompts, 1.0)[SCORES]
        return {SCORES: {"score": values["score"], "gap": 2 * values["score"] - values["gap"]}}

    run = planted_run(tmp_path, at_odds, seeds=SEEDS, prompts=200, **RECIPE)
    found = find(run, rule="preference").numbers
    golden = rank(run, metric=SCORE, share=0.25).golden.seeds
    assert set(GOOD) <= set(golden)
    assert sorted(found["golden"]) == sorted(golden)
    assert found["preference"]["this run"]["win_rate"].low > 0.5
    best = found["pools"][0]
    assert best["preference"] > found["pools"][-1]["preference"]
    # The best seeds by preference need not be good by distance.
    assert best["distance"] > best["distance_random"]
    with pytest.raises(RunError, match="top 25% by both"):
        find(run)


def test_another_kind_of_prompts_is_a_run_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(tmp_path / "run", 1.0)
    first = find(run)
    fields = yaml.safe_load(first.recipes["other_prompts"])
    recipe = parse_recipe(fields, Path("other_prompts.yaml"))
    assert recipe.prompts.source == "synthetic"  # the seedling's other prompt file
    assert recipe.sampling.guidance_scale == run.config.guidance_scale
    other = planted_run(
        tmp_path / "other",
        lambda p, _: planted(p, 1.0, salt=1),
        seeds=SEEDS,
        prompts=90,
        objects=9,
        **RECIPE,
    )
    both = find(run, other=str(other.root))
    judged = {(row["prompts"], row["metric"]) for row in both.numbers["table"]}
    assert judged == {(kind, name) for kind in KINDS for name in ("gap", "score")}
    assert not both.recipes
    # There is no Frechet distance for prompts without real images; the gap plays its role here.
    assert "left out" not in both.outcome
    monkeypatch.setattr(Gap, "judges_any_prompts", False)
    found = find(run, other=str(other.root))
    assert "gap is left out on the other kind of prompts" in found.outcome
    assert [row["metric"] for row in found.numbers["table"]] == ["gap", "score", "score"]
    assert set(found.numbers["preference"]) == set(KINDS)
    few = planted_run(
        tmp_path / "few", lambda p, _: planted(p, 0.0), seeds=SEEDS - 8, prompts=9, **RECIPE
    )
    with pytest.raises(RunError, match="32 seeds; this study needs"):
        find(run, other=str(few.root))


def test_an_empty_list_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"0 seeds are in the top 5% .* at least 1"):
        find(run_with(tmp_path, 0.0), share=0.05)


def test_a_group_that_was_cut_is_named(tmp_path: Path) -> None:
    def one_object(prompts: Sequence[Prompt], _: int) -> Values:
        return planted(prompts, 1.0)

    more = [Prompt(f"a horse {i}", object="horse") for i in range(160)]
    run = planted_run(tmp_path, one_object, seeds=SEEDS, prompts=160, more=more, **RECIPE)
    assert "is mostly about 'horse'" in find(run).outcome
