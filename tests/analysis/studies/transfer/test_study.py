"""Whether seeds carry over, on planted scores: known correlations are found, others are not."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
import yaml

from analysis.metrics import load_metric
from analysis.studies import load_study
from analysis.studies.base import NotDrawnError
from analysis.studies.results import outcomes, read_summary
from analysis.studies.stage import StudyOutcome, StudyStage, StudyState, StudyTask
from analysis.studies.transfer.study import Transfer
from analysis.studies.transfer.wanted_recipes import other_ways
from pipeline.errors import RunError
from pipeline.executors.base import make_executor
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe, parse_recipe
from pipeline.storage.parquet import file_sha256
from tests.analysis import synthetic
from tests.analysis.studies.planted_run import (
    LAYOUT,
    SCORE,
    SCORES,
    Score,
    Values,
    planted_run,
)

RECIPE = {"features": [SCORES], "metrics": [SCORE], "ranking": None}
SEEDS = 96


class Level(Score):
    """The planted score, neither good nor bad."""

    name: ClassVar[str] = "level"
    higher_is_better: ClassVar[bool | None] = None


class Flaw(Score):
    """The planted score, taken for a fault."""

    name: ClassVar[str] = "flaw"
    higher_is_better: ClassVar[bool | None] = False


def planted(
    path: Path, mixing: float, number: int, *, shared: float = 0.0, **recipe: object
) -> Run:
    """A run whose seeds' true effects correlate with run 0's at `mixing`.

    `shared` is what seed and prompt do together, alike in every run.
    """

    def make(prompts: Sequence[Prompt], seeds: int) -> Values:
        common, own = np.random.default_rng(1), np.random.default_rng([2, number])
        base, shape = common.standard_normal((seeds, 1)), (seeds, len(prompts))
        together = shared * common.standard_normal(shape)
        effect = mixing * base + np.sqrt(1 - mixing**2) * own.standard_normal((seeds, 1))
        return {SCORES: {"score": effect + together + 4 * own.standard_normal(shape)}}

    fields: dict[str, Any] = {**RECIPE, **recipe}
    return planted_run(path, make, seeds=SEEDS, **fields)


def rows(run: Run, **settings: object) -> dict[str, dict[str, float]]:
    study = load_study("transfer", {"draws": 300, **settings})
    return {row["other"]: row for row in study.find(run).numbers["pairs"]}


def test_a_metric_that_is_not_measured_is_left_out_unless_it_was_asked_for(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "features": [SCORES, "perceptual"],
        "metrics": [SCORE, "kid_perceptual"],
    }
    run = planted(tmp_path / "a", 1.0, 0, **fields)
    other = {"runs": {"b": str(planted(tmp_path / "b", 1.0, 1, **fields).root)}}
    found = load_study("transfer", {"draws": 300, **other}).find(run)
    assert {row["metric"] for row in found.numbers["pairs"]} == {"score"}
    assert "kid_perceptual is left out" in found.outcome
    with pytest.raises(RunError):
        load_study("transfer", {**other, "metrics": [SCORE, "kid_perceptual"]}).find(run)


def test_known_correlations_are_found(tmp_path: Path) -> None:
    run = planted(tmp_path / "a", 1.0, 0)
    runs = {}
    for number, mixing in enumerate((0.9, 0.5, 0.0), start=1):
        runs[f"m{mixing}"] = str(planted(tmp_path / f"b{number}", mixing, number).root)
    found = rows(run, runs=runs)
    for mixing in (0.9, 0.5, 0.0):
        row = found[f"m{mixing}"]
        assert row["corrected_low"] < mixing < row["corrected_high"]
        assert abs(row["cross"]) < abs(row["corrected"])
    assert found["m0.9"]["p"] < 0.01 < 0.02 < found["m0.0"]["p"]
    assert found["m0.9"]["again"] > 1.5 * found["m0.9"]["again_chance"]
    assert found["m0.0"]["again_p"] > 0.01
    # Without the correction even the strongest would look weak: the noise of both is in it.
    assert found["m0.9"]["cross"] < 0.75


def test_shared_prompts_fool_equal_sets_and_not_the_result(tmp_path: Path) -> None:
    run = planted(tmp_path / "a", 0.0, 1, shared=6.0)
    other = planted(tmp_path / "b", 0.0, 2, shared=6.0)
    row = rows(run, runs={"b": str(other.root)})["b"]
    assert row["same"] > 0.3
    assert row["cross_low"] < 0 < row["cross_high"]
    assert row["p"] > 0.02


def test_kinds_of_prompts_and_arms(tmp_path: Path) -> None:
    def make(prompts: Sequence[Prompt], seeds: int) -> Values:
        rng = np.random.default_rng(7)
        even = np.array([int(p.text.split()[1].strip(",")) % 2 == 0 for p in prompts])
        one, two = rng.standard_normal((2, seeds, 1))
        return {
            SCORES: {"score": np.where(even, one, two) + rng.normal(size=(seeds, len(prompts)))}
        }

    run = planted_run(tmp_path / "kinds", make, seeds=SEEDS, prompts=240, **RECIPE)
    found = rows(run, kinds={"even": r"kind \d*[02468],", "early": "manner [0-9]$"})
    assert found["early"]["corrected"] == pytest.approx(1, abs=0.15)
    assert found["even"]["corrected_high"] < 0.5
    arms = {"arms": {"base": {}, "other": {}}, **RECIPE}
    pair = [planted_run(tmp_path / name, make, seeds=16, **arms) for name in ("base", "other")]
    assert list(rows(pair[0])) == ["other"]


def test_recipes_are_recipes_and_the_picture_is_there(tmp_path: Path) -> None:
    run, other = planted(tmp_path / "a", 1.0, 0), planted(tmp_path / "b", 1.0, 1)
    found = load_study("transfer", {"runs": {"b": "../b"}, "draws": 100}).find(run)
    assert found.identities["run b"] == other.run_id
    assert found.tables["values"].frame.filter(pl.col("other") == "b").height == SEEDS
    assert {"transfer_steps", "transfer_guidance", "transfer_interventions"} < set(found.recipes)
    assert {"transfer_model_seedling-mini-b", "transfer_model_seedling"} < set(found.recipes)
    assert not {name for name in found.recipes if "sd15" in name or name.endswith("seedling-mini")}
    for name, text in found.recipes.items():
        recipe = parse_recipe(yaml.safe_load(text), Path("named.yaml"))
        assert recipe.seeds == run.recipe.seeds
        if name.startswith("transfer_model_"):
            assert name.endswith(recipe.card)
            assert recipe.sampling == type(recipe.sampling)()  # the other card's own
        else:
            assert recipe.sampling.guidance_scale == 3.0
            assert recipe.arms


def recipe_of(text: str) -> Recipe:
    return parse_recipe(yaml.safe_load(text), Path("named.yaml"))


def test_what_is_lacking_is_named_and_measures_no_more_than_is_compared(tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "features": [SCORES, LAYOUT, "ocr"],
        "feature_prompts": {"ocr": {"every": 10}},
    }
    metrics = [SCORE, "text_artifact_rate", "failure_rate"]
    more |= {"metrics": metrics, "ranking": {"metric": SCORE}}
    run = planted(tmp_path / "a", 1.0, 0, **more)
    stage = StudyStage(run.root, {"transfer": {"metrics": [SCORE]}})
    (outcome,) = make_executor("local").run(stage, [StudyTask("transfer")])
    result = StudyOutcome.of(outcome)
    assert "0 other runs" in result.refusal
    assert "wanted/transfer: transfer_steps.yaml" in result.reason
    assert result.recipes[0].name == "transfer_steps.yaml"
    assert outcomes(run) == {}
    written = {p.stem: p.read_text() for p in run.root.glob("wanted/transfer/*.yaml")}
    assert {"transfer_steps", "transfer_model_seedling-mini-b"} < set(written)
    for text in written.values():
        recipe = recipe_of(text)
        assert recipe.features == [SCORES]
        assert recipe.feature_prompts == {}
        assert recipe.metrics == [SCORE, "failure_rate"]
        assert recipe.ranking == run.recipe.ranking
    with pytest.raises(RunError, match="needs perceptual"):  # no recipe could help
        load_study("transfer", {"metrics": ["kid_perceptual"]}).find(run)
    again = pickle.loads(pickle.dumps(NotDrawnError("0 other runs", {"a": "b"})))
    assert (str(again), again.recipes) == ("0 other runs", {"a": "b"})
    both = other_ways(run, [load_metric(SCORE), load_metric("text_artifact_rate")])
    assert recipe_of(both["transfer_steps"]).features == [SCORES, "ocr"]
    text_alone = recipe_of(other_ways(run, [load_metric("text_artifact_rate")])["transfer_steps"])
    assert text_alone.ranking is None


def test_a_refusal_leaves_earlier_findings_whole(tmp_path: Path) -> None:
    run, _ = planted(tmp_path / "a", 1.0, 0), planted(tmp_path / "b", 1.0, 1)
    settings = {"runs": {"b": "../b"}, "draws": 50, "permutations": 20}
    for chosen, state in ((settings, StudyState.FOUND), ({}, StudyState.REFUSED)):
        stage = StudyStage(run.root, {"transfer": chosen})
        (outcome,) = make_executor("local").run(stage, [StudyTask("transfer")])
        assert StudyOutcome.of(outcome).state == state
    for file, wanted in read_summary(run, "transfer")["files"].items():
        assert file_sha256(run.root / "studies" / "transfer" / file) == wanted


def test_without_a_better_end_the_list_is_of_the_highest(tmp_path: Path) -> None:
    metrics = (SCORE, f"{__name__}:Level")
    run, other = planted(tmp_path / "a", 1.0, 0), planted(tmp_path / "b", 0.5, 1)
    study = load_study("transfer", {"runs": {"b": str(other.root)}, "metrics": metrics})
    better, higher = study.find(run).numbers["pairs"]
    assert higher["metric"] == "level"
    assert [higher[k] for k in ("cross", "again")] == [better[k] for k in ("cross", "again")]
    lowest = load_study("transfer", {**study.settings(), "metrics": [f"{__name__}:Flaw"]})
    (row,) = lowest.find(run).numbers["pairs"]
    assert row["cross"] == pytest.approx(better["cross"])
    assert row["again"] != better["again"]


def test_what_does_not_compare_is_refused(tmp_path: Path) -> None:
    run = planted(tmp_path / "a", 1.0, 0)
    with pytest.raises(NotDrawnError, match="0 other runs; this study needs at least 1") as lacking:
        Transfer().find(run)
    assert "transfer_schedulers" in lacking.value.recipes
    with pytest.raises(RunError, match="is not a run folder"):
        Transfer(runs={"b": "nowhere"}).find(run)
    config = synthetic.config(noise="philox", eta=0.0)
    other = Run.start(tmp_path / "c", config, run.recipe)
    with pytest.raises(RunError, match="needs runs with equal latents and noise"):
        Transfer(runs={"c": str(other.root)}).find(run)
    few = planted_run(tmp_path / "few", lambda p, s: {SCORES: {}}, seeds=6, **RECIPE)
    with pytest.raises(RunError, match=r"6 seeds in both this run and few; .* at least 8"):
        Transfer(runs={"few": str(few.root)}).find(run)
