"""`goldenseed search` draws only what the race asks for, and continues after an interruption."""

import json
from pathlib import Path

import pytest

from goldenseed.steps import begin, steps
from goldenseed.steps.search.start import start_search
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.prompt_sets import write_prompts_jsonl
from pipeline.runs.layout import SEARCH_FILE
from pipeline.runs.run import Run
from pipeline.settings.recipe import load_recipe
from pipeline.storage.manifest import receipt_index
from tests.goldenseed.conftest import Call

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 60}
seeds: {start: 0, count: 16}
tile: {seeds: 1, prompts: 3}
batch_size: 4
keep_images: none
sampling: {num_inference_steps: 1, guidance_scale: 1.0}
features: [perceptual]
metrics: [kid_perceptual]
ranking: {metric: kid_perceptual, share: 0.25}
"""
OPTIONS = ("--executor", "local", "--budget", "0.9")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def drawn(run: Run) -> int:
    return sum(receipt.rows for receipt in receipt_index(run.images).values())


def test_an_interrupted_search_ends_like_an_uninterrupted_one(
    call: Call, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = call("search", recipe, "--out", tmp_path / "whole", *OPTIONS)
    assert called.code == 0, called.err
    assert "over all seeds and looks" in called.out
    run = Run.open(tmp_path / "whole")
    result = json.loads((run.root / SEARCH_FILE).read_bytes())
    assert drawn(run) == result["images"] < 0.95 * result["images_full"]
    assert len(result["plan"]["looks"]) > 1
    assert set(result["sure"]) <= {row["seed"] for row in result["list"]}
    assert len(result["list"]) == result["plan"]["top"] == 4

    with monkeypatch.context() as patch:
        rounds = []

        def stop_in_round_two(*arguments: object, **options: object) -> steps.Result:
            rounds.append(1)
            if len(rounds) == 2:
                raise KeyboardInterrupt
            return generate(*arguments, **options)  # type: ignore[arg-type]

        generate = steps.generate
        patch.setattr(steps, "generate", stop_in_round_two)
        broken = call("search", recipe, "--out", tmp_path / "broken", *OPTIONS)
    assert broken.code == 130
    assert 0 < drawn(Run.open(tmp_path / "broken")) < result["images"]
    again = call("search", recipe, "--out", tmp_path / "broken", *OPTIONS, "--json")
    assert json.loads(again.out)["list"] == result["list"]
    files = [(tmp_path / name / SEARCH_FILE).read_bytes() for name in ("whole", "broken")]
    assert files[0] == files[1]
    assert drawn(Run.open(tmp_path / "broken")) == result["images"]


def test_units_are_prompts_of_set_1_of_different_groups(recipe: Path, tmp_path: Path) -> None:
    run = start_search(load_recipe(str(recipe)), tmp_path / "run")
    groups = [{run.prompts[prompt].group for prompt in block.prompt_ids} for block in run.blocks]
    assert {prompt.set for prompt in run.prompts.values()} == {1}
    assert sum(len(block.prompt_ids) for block in run.blocks) == len(run.prompts)
    assert all(len(block.prompt_ids) >= 3 for block in run.blocks)
    assert all(len(names) >= 2 for names in groups)  # a kernel distance compares groups
    assert all(len(tile.seeds) == 1 for tile in run.tiles())


def test_what_cannot_be_searched_is_refused(recipe: Path, tmp_path: Path) -> None:
    chosen = load_recipe(str(recipe))
    with pytest.raises(ConfigError, match="changes with the number of images"):
        start_search(chosen, tmp_path / "a", metric="frechet_perceptual")
    with pytest.raises(ConfigError, match="has arms"):
        start_search(load_recipe("seedling-mini-scramble"), tmp_path / "a")
    with pytest.raises(ConfigError, match="4 seeds; a search needs at least 16"):
        start_search(begin.with_choice(chosen, seeds="4"), tmp_path / "a")
    others = [p for p in begin.load_prompts(chosen).prompts if p.set != 1]
    write_prompts_jsonl(tmp_path / "others.jsonl", others)
    path = str(tmp_path / "others.jsonl")
    source = chosen.prompts.model_copy(update={"source": path, "count": len(others)})
    with pytest.raises(ConfigError, match=r"none of the .* prompts is of set 1"):
        start_search(chosen.model_copy(update={"prompts": source}), tmp_path / "a")
    start_search(chosen, tmp_path / "b")
    with pytest.raises(RunError, match="holds another grid"):
        start_search(begin.with_choice(chosen, seeds="20"), tmp_path / "b")
