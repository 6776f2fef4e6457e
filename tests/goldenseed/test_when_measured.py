"""A recipe says when its features are measured; the numbers do not hang on it."""

from pathlib import Path

import pytest

from analysis.extract import feature_folder, run_feature
from goldenseed.start import check_recipe
from pipeline.errors import ConfigError
from pipeline.recipe import load_recipe
from pipeline.runs import Run
from tests.goldenseed.conftest import RECIPE, Call

FEATURES = ("perceptual", "appearance")


def content(run: Run) -> dict[tuple[str, str], str]:
    return {
        (name, receipt.shard_id): receipt.content_sha256
        for name in FEATURES
        for receipt in feature_folder(run, run_feature(run, name)).receipts()
    }


def made_when(run: Run) -> set[object]:
    return {
        receipt.provenance["made"]
        for name in FEATURES
        for receipt in feature_folder(run, run_feature(run, name)).receipts()
    }


def test_both_ways_give_the_same_shards(made: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE + "measure: afterwards\n")
    arguments = (tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--executor", "local")
    assert call("run", *arguments).code == 0
    fused, later = Run.open(made / "run"), Run.open(tmp_path / "run")
    assert made_when(fused) == {"while drawing"}
    assert made_when(later) == {"from the shard"}
    assert len(content(fused)) == 20
    assert content(fused) == content(later)
    assert fused.run_id == later.run_id


def test_other_images_give_other_shards(made: Path, tmp_path: Path, call: Call) -> None:
    """The negative control."""
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("steps: 2", "steps: 1"))
    arguments = (tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--executor", "local")
    assert call("run", *arguments).code == 0
    first, second = content(Run.open(made / "run")), content(Run.open(tmp_path / "run"))
    assert not set(first.values()) & set(second.values())


def test_a_share_of_the_prompts_of_no_feature_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE + "feature_prompts: {apearance: {every: 2}}\n")
    with pytest.raises(ConfigError, match="did you mean 'appearance'"):
        check_recipe(load_recipe(str(path)))
