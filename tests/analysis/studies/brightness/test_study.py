"""Brightness on planted runs: means, changes, and the comparison with the truth."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from analysis.studies import load_study
from analysis.studies.brightness.study import BASELINE, Brightness
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.prompt_sets import Prompt, read_prompts
from pipeline.runs.run import Run
from pipeline.settings.recipe import parse_recipe
from tests.analysis import synthetic
from tests.analysis.studies.planted_run import ordered_prompts, write_feature

PROMPTS = Path(__file__).parents[4] / "prompts" / "brightness.jsonl"
TRUE = {"solid black": 0.01, "solid white": 0.99, "dark": 0.2, "bright": 0.8}
SEEDS = 8


def true_level(text: str) -> float:
    return next((level for words, level in TRUE.items() if words in text), 0.45)


def planted(path: Path, greyness: float, **config: object) -> Run:
    """Plant brightness that is `greyness` of the way from the truth to 0.5, plus noise."""
    fields = synthetic.start(path.with_name("recipe"), features=["appearance"], ranking=None)
    run = Run.start(path, synthetic.config(**config), fields.recipe)
    run.grow(range(SEEDS), read_prompts(PROMPTS).prompts)
    rng = np.random.default_rng(3)
    prompts = ordered_prompts(run)
    levels = np.array([true_level(prompt.text) for prompt in prompts])
    shape = (SEEDS, len(prompts))
    noise = 0.02 * rng.standard_normal((SEEDS, 1)) + 0.05 * rng.standard_normal(shape)
    values = levels + greyness * (0.5 - levels) + noise
    write_feature(run, "appearance", {"brightness": values})
    return run


def truth_file(path: Path, prompts: Sequence[Prompt]) -> str:
    rows = {prompt.text: {"mean": true_level(prompt.text)} for prompt in prompts}
    path.write_text(json.dumps(rows))
    return str(path)


def test_grey_means_and_the_changes_that_mend_them(tmp_path: Path) -> None:
    run = planted(tmp_path / "base", 0.6)
    mended = planted(tmp_path / "mended", 0.15, num_inference_steps=5)
    idle = planted(tmp_path / "idle", 0.6, guidance_scale=2.0)
    truth = truth_file(tmp_path / "truth.json", list(run.prompts.values()))
    runs = {"mended": str(mended.root), "idle": "../idle"}
    assert idle.root.name == "idle"
    found = load_study("brightness", {"runs": runs, "truth": truth}).find(run)
    rows = {(row["run"], row["kind"]): row for row in found.numbers["means"]}
    assert len(rows) == 3 * 7
    black, white = rows[BASELINE, "solid black"], rows[BASELINE, "solid white"]
    assert black["brightness"] == pytest.approx(0.01 + 0.6 * 0.49, abs=0.03)
    assert white["brightness"] == pytest.approx(0.99 - 0.6 * 0.49, abs=0.03)
    assert black["change"] is None
    assert rows["mended", "solid black"]["change_high"] < -0.15
    assert rows["mended", "bright"]["change_low"] > 0.1
    assert rows["mended", "dark"]["mended"] == pytest.approx(0.75, abs=0.05)
    assert rows["mended", "dark"]["truth"] == pytest.approx(0.2)
    # A change without effect: the same cells have the same images.
    assert rows["idle", "dark"]["change"] == 0
    assert rows["idle", "dark"]["mended"] == 0
    # The intervals of both runs overlap, but that of the paired difference excludes 0.
    neutral = rows["mended", "neutral"], rows[BASELINE, "neutral"]
    assert neutral[0]["change_high"] < 0
    assert neutral[0]["brightness_high"] > neutral[1]["brightness_low"]
    assert {row["n"] for row in found.numbers["means"]} == {SEEDS, SEEDS * 40}
    assert "true 0.010" in found.outcome


def test_recipes_draw_the_prompts_of_the_study(tmp_path: Path) -> None:
    run = planted(tmp_path / "base", 0.5)
    found = Brightness().find(run)
    for text in found.recipes.values():
        recipe = parse_recipe(yaml.safe_load(text), Path("named.yaml"))
        assert recipe.prompts.source == "brightness"
        assert "baseline" in recipe.arms
    assert "offset0.25" in found.recipes["brightness_interventions"]


def test_messages_say_what_is_missing(tmp_path: Path) -> None:
    run = planted(tmp_path / "base", 0.5)
    with pytest.raises(ConfigError, match=r"seedling.measure.brightness"):
        Brightness(truth="nowhere.json").find(run)
    other = synthetic.start(tmp_path / "other", features=["perceptual"], ranking=None)
    with pytest.raises(RunError, match=r"other: .*this study needs appearance"):
        Brightness(runs={"other": str(other.root)}).find(run)
    with pytest.raises(RunError, match=r"of 1 kinds .*; this study needs at least 2"):
        Brightness(kinds={"dark": "dark", "night": "at night"}).find(run)
