"""Recipes of the studies of real models: what they cost, and refusals of what cannot be drawn."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from analysis.features import load_features
from analysis.features.networks import NetworkFeature
from analysis.studies.distinguishability.split import split_by_group
from goldenseed.steps.begin import check_recipe, start_runs
from goldenseed.steps.costs.measuring import CORE_FLOAT32, H100_FLOAT32, measuring_cost
from goldenseed.steps.plan import plan_recipe, prompts_to_plan
from pipeline.cards.card import find_card, resolve
from pipeline.errors import ModelError, PromptError
from pipeline.settings.recipe import Recipe, load_recipe, recipe_files, recipe_names

STATED = re.compile(r"our choice|[Tt]he paper|likewise")


def on_the_wrong_device(recipe: Recipe) -> list[str]:
    """Networks that a recipe of a GPU card would run on one CPU thread."""
    networks = [f for f in load_features(recipe.features) if isinstance(f, NetworkFeature)]
    slow = [f.name for f in networks if f.name != "ocr" and f.resources.gpus != 1]
    return slow if find_card(recipe.card).gpu else []


@pytest.mark.parametrize("name", recipe_names())
def test_images_drawn_on_a_gpu_are_measured_on_it(name: str) -> None:
    check_recipe(load_recipe(name))
    assert on_the_wrong_device(load_recipe(name)) == []


def test_a_network_on_the_cpu_is_seen() -> None:
    """The negative control of the test above."""
    recipe = load_recipe("paper-sd2").model_copy(update={"features": ["inception", "ocr"]})
    assert on_the_wrong_device(recipe) == ["inception"]


def test_the_cost_of_measuring_counts_the_measured_prompts_on_their_device() -> None:
    recipe = load_recipe("paper-sd2")
    ids = list(prompts_to_plan(recipe))
    cost = measuring_cost(recipe, ids, images=2)
    hps_prompts = sum(int(i, 16) % 9 == 0 for i in ids)
    inception, hps = 11.4e9 * 2 * len(ids), 334.6e9 * 2 * hps_prompts
    assert cost.cost.gpu_seconds == pytest.approx((inception + hps) / H100_FLOAT32)
    assert cost.cost.core_seconds == 0
    assert cost.cost.disk_bytes == 2 * (4 * 2048 * len(ids) + 4 * hps_prompts)
    assert re.fullmatch(r"measuring: inception@.* h \(.*H100.*\); hps@.* h \(.*\)", cost.words)
    video = measuring_cost(recipe, ids, images=2, frames=16)
    assert video.cost.gpu_seconds == pytest.approx(16 * cost.cost.gpu_seconds)
    assert video.cost.disk_bytes == cost.cost.disk_bytes
    slow = recipe.model_copy(update={"features": ["hps", "appearance"], "feature_prompts": {}})
    on_cpu = measuring_cost(slow, ids, images=1)
    assert on_cpu.cost.core_seconds == pytest.approx(334.6e9 * len(ids) / CORE_FLOAT32)
    assert (on_cpu.cost.gpu_seconds, on_cpu.complete) == (0, False)
    assert on_cpu.words.endswith("one CPU core); no cost figures, not counted: appearance")


@pytest.mark.parametrize("name", ["sdxl-turbo-overnight", "sd2-overnight"])
def test_a_night_is_8_to_12_hours_of_one_gpu(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    (plan,) = plan_recipe(recipe, prompts_to_plan(recipe), tmp_path)
    assert plan.gpu_hours is not None
    assert 8 <= plan.gpu_hours <= 12
    assert "hps@hps-v2.1-gpu" in plan.measuring
    assert "reliability" in plan.expect
    assert "too few" in plan.expect


def test_the_papers_classifier_has_its_images() -> None:
    """9,000 / 1,000 / 1,000 images of each seed, where each prompt is a group of its own."""
    recipe = load_recipe("paper-sd2-classifier")
    counts = (9000, 1000, 1000)
    split = split_by_group(prompts_to_plan(recipe).values(), counts)
    assert (len(split.train), len(split.validation), len(split.test)) == counts
    assert recipe.keep_images == "all"
    text = recipe_files()["paper-sd2-classifier"].read_text()
    assert f"pictures={list(counts)}" in text


@pytest.mark.parametrize("name", ["paper-sd2", "paper-sdxl-turbo"])
def test_the_paper_has_10000_prompts_in_both_sets(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    prompts = prompts_to_plan(recipe)
    for number in (1, 2):
        assert sum(p.set == number for p in prompts.values()) >= 10_000
    assert recipe.metric_prompts["fid@inception-2015-12-05-gpu"] == 10_000
    assert recipe.metric_prompts["hps_v2_1@hps-v2.1-gpu"] == 1_000
    share = recipe.feature_prompts["hps@hps-v2.1-gpu"]
    for number in (1, 2):
        scored = [p for p in prompts.values() if p.set == number and not share.skips(p.id)]
        assert 1_000 <= len(scored) <= 1_300
    assert len(recipe.seeds.values()) == 1_024
    (plan,) = plan_recipe(recipe, prompts, tmp_path)
    assert plan.cells == 26_000 * 1_024
    assert "enough" in plan.expect


@pytest.mark.parametrize("name", ["paper-sd2", "paper-sdxl-turbo"])
def test_every_value_says_whether_the_paper_states_it(name: str) -> None:
    text = recipe_files()[name].read_text()
    stated = dict(comments(text))
    keys = yaml.safe_load(text)
    assert set(stated) == set(keys) - {"sampling"} | set(keys["sampling"])
    assert {key for key, comment in stated.items() if not STATED.search(comment)} == set()
    silent = dict(comments(text.replace("  # our choice", "")))  # the negative control
    assert {"tile", "batch_size", "noise"} <= {k for k, c in silent.items() if not STATED.search(c)}


def comments(text: str) -> Iterator[tuple[str, str]]:
    """Each top-level key and each key of `sampling`, with its line and the comment above it."""
    above, block = "", ""
    for line in text.splitlines():
        top, inner = re.match(r"(\w+):", line), re.match(r"  (\w+):", line)
        block = top[1] if top else block
        if top and block != "sampling":
            yield block, above + line
        elif inner and block == "sampling":
            yield inner[1], line
        above = above + line if line.startswith("#") else ""


def test_a_missing_prompt_file_without_a_count_is_an_error() -> None:
    recipe = load_recipe("paper-sd2")
    unknown = recipe.prompts.model_copy(update={"count": None})
    with pytest.raises((PromptError, OSError)):
        prompts_to_plan(recipe.model_copy(update={"prompts": unknown}))


def test_an_unknown_family_is_named_before_anything_is_fetched(tmp_path: Path) -> None:
    card = find_card("sdxl-turbo").model_copy(update={"family": "no_such_family"})
    with pytest.raises(ModelError, match=r"no_such_family, .* can plan but not draw"):
        resolve(card)
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(card.model_dump(mode="json", exclude={"name"})))
    changes = {"card": str(file), "features": [], "metrics": [], "ranking": None}
    recipe = load_recipe("sdxl-turbo-overnight").model_copy(update=changes)
    with pytest.raises(ModelError, match="which this version can plan but not draw"):
        start_runs(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
