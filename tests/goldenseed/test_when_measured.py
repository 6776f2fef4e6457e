"""A recipe says when its features are measured; the numbers do not depend on it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.extraction.extract import feature_folder, run_feature
from goldenseed.steps.begin import check_recipe
from pipeline.errors import ConfigError
from pipeline.runs.run import Run
from pipeline.settings.recipe import load_recipe
from tests.goldenseed.conftest import RECIPE, Call
from tests.in_process import run_recipe

FEATURES = ("perceptual", "appearance")
NETWORKS = ("clip_seedling", "layout_seedling", "gram_seedling", "ocr@ocr-seedling")
FEW_CELLS = f"""
card: seedling
prompts: {{source: seedling, chosen: [15a27f2db5bf5d00, 21a076897a0f1a68, 0db741c9626e14a0]}}
seeds: {{chosen: [17, 28]}}
tile: {{seeds: 2, prompts: 3}}
batch_size: 4
sampling: {{num_inference_steps: 20}}
features: [{", ".join(NETWORKS)}]
metrics: []
ranking: null
"""
"""With these seeds the model draws words that no prompt asks for, so OCR finds some."""


def content(run: Run, features: Sequence[str] = FEATURES) -> dict[tuple[str, str], str]:
    return {
        (name, receipt.shard_id): receipt.content_sha256
        for name in features
        for receipt in feature_folder(run, run_feature(run, name)).receipts()
    }


def made_when(run: Run, features: Sequence[str] = FEATURES) -> set[object]:
    return {
        receipt.provenance["made"]
        for name in features
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


def test_networks_give_the_same_shards_both_ways(tmp_path: Path) -> None:
    """On few cells; as a control, fewer steps must change each feature."""
    recipes = {
        "fused": FEW_CELLS,
        "later": FEW_CELLS + "measure: afterwards\n",
        "other": FEW_CELLS.replace("steps: 20", "steps: 16"),
    }
    runs = {}
    for name, recipe in recipes.items():
        (tmp_path / name).mkdir()
        runs[name] = Run.open(run_recipe(tmp_path / name, recipe))
    fused, later, other = (content(run, NETWORKS) for run in runs.values())
    assert made_when(runs["fused"], NETWORKS) == {"while drawing"}
    assert made_when(runs["later"], NETWORKS) == {"from the shard"}
    assert {name for name, _ in fused} == set(NETWORKS)
    assert fused == later
    assert not set(fused.values()) & set(other.values())


def test_other_images_give_other_shards(made: Path, tmp_path: Path, call: Call) -> None:
    """The negative control."""
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("steps: 2", "steps: 1"))
    arguments = (tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--executor", "local")
    assert call("run", *arguments).code == 0
    first, second = content(Run.open(made / "run")), content(Run.open(tmp_path / "run"))
    assert not set(first.values()) & set(second.values())


def test_feature_prompts_of_an_unknown_feature_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE + "feature_prompts: {apearance: {every: 2}}\n")
    with pytest.raises(ConfigError, match="did you mean 'appearance'"):
        check_recipe(load_recipe(str(path)))
