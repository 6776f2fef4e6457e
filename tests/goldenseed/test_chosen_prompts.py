"""A recipe may choose prompts by their ids; one that the file lacks is named."""

import pytest

from goldenseed.steps.begin import load_prompts
from pipeline.errors import PromptError
from pipeline.settings.recipe import Recipe


def recipe(**prompts: object) -> Recipe:
    told = {"source": "seedling", **prompts}
    return Recipe(name="r", card="seedling-mini", prompts=told, seeds={"count": 1})


def test_chosen_prompts_are_those_of_the_file_and_count_counts_among_them() -> None:
    whole = load_prompts(recipe()).prompts
    chosen = [prompt.id for prompt in whole[5:11]]
    assert load_prompts(recipe(chosen=chosen)).prompts == whole[5:11]
    some = load_prompts(recipe(chosen=chosen, count=2)).prompts
    assert [prompt.id for prompt in some] == sorted(chosen)[:2]
    first = load_prompts(recipe(count=2)).prompts
    assert {prompt.id for prompt in first}.isdisjoint(chosen)  # without the choice, others


def test_a_prompt_that_the_file_lacks_is_named() -> None:
    with pytest.raises(PromptError, match=r"lacks 1 of the 1 prompts .* 00ff"):
        load_prompts(recipe(chosen=["00ff"]))
