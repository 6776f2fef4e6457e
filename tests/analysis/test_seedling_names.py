"""Test that what accepts a published feature or metric also accepts that of the seedling."""

from pathlib import Path

import pytest

from analysis.features.cards import load_card
from analysis.metrics import load_metric
from analysis.study_tools.farthest_seeds import space_feature
from analysis.study_tools.image_similarity import shared_embedding
from analysis.study_tools.measured import (
    directed_metrics,
    distance_and_preference,
    measured_feature,
)
from analysis.study_tools.race_units import race_metric
from goldenseed.steps.begin import check_recipe, load_prompts
from pipeline.runs.run import Run
from pipeline.settings.choices import RankingConfig
from pipeline.settings.recipe import load_recipe
from seedling.networks.preference import DIMENSIONS
from seedling.networks.segmenter import TEMPLATE
from tests.analysis import synthetic

RECIPE = load_recipe("seedling")
SCORES = ("preference_seedling", "clip_seedling", "object_found_rate_seedling")


def measuring(path: Path, *features: str) -> Run:
    """Start a run of the recipe, with nothing drawn, and these features or all of the recipe's."""
    chosen = features or RECIPE.features
    return synthetic.start(path, n_prompts=8, features=chosen, metrics=RECIPE.metrics)


def test_studies_find_the_features_by_themselves(tmp_path: Path) -> None:
    run = measuring(tmp_path / "all")
    assert space_feature(run, "style") == "gram_seedling"
    assert space_feature(run, "composition") == "layout_seedling"
    assert measured_feature(run, ["ocr"]) == "ocr@ocr-seedling"
    assert shared_embedding([run, run]) == ["perceptual"]
    few = measuring(tmp_path / "few", "appearance", "clip_seedling")
    assert shared_embedding([few, run]) == ["clip_seedling"]


def test_golden_is_by_distance_and_preference(tmp_path: Path) -> None:
    run = measuring(tmp_path)
    chosen = [metric.name for metric in distance_and_preference(run, "", "")]
    assert chosen == ["kid_perceptual", "preference_seedling"]
    assert set(SCORES) < {metric.name for metric in directed_metrics(run)}


@pytest.mark.parametrize("name", SCORES)
def test_seeds_can_race_by_a_score(name: str) -> None:
    assert race_metric(RankingConfig(metric=name)).name == name


def test_the_recipe_uses_what_it_measures_and_reads_few_prompts() -> None:
    check_recipe(RECIPE)
    used = {name for metric in RECIPE.metrics for name in load_metric(metric).features}
    assert set(RECIPE.features) - used == {"gram_seedling"}  # what style and diversity go by
    share = RECIPE.feature_prompts["ocr@ocr-seedling"]
    read = [prompt for prompt in load_prompts(RECIPE).prompts if not share.skips(prompt.id)]
    assert [sum(prompt.set == number for prompt in read) for number in (1, 2, 3)] == [10, 10, 3]


def test_the_cards_say_what_the_networks_were_trained_with() -> None:
    assert load_card("clip-seedling", "clip_seedling").options["width"] == DIMENSIONS
    options = load_card("segmenter-seedling", "layout_seedling").options
    assert options["template"] == TEMPLATE
    assert load_card(str(options["depth_card"]), "layout_depth").options["larger_is_nearer"]
