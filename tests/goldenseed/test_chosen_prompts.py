"""A recipe may choose prompts by their ids; a prompt that the file lacks is named."""

import pytest

from goldenseed.steps.begin import load_prompts
from pipeline.errors import PromptError
from pipeline.settings.recipe import Recipe


def recipe(**prompts: object) -> Recipe:
    choice = {"source": "seedling", **prompts}
    return Recipe(name="r", card="seedling-mini", prompts=choice, seeds={"count": 1})


def test_count_is_taken_from_the_chosen_prompts() -> None:
    prompts = load_prompts(recipe()).prompts
    chosen = [prompt.id for prompt in prompts[5:11]]
    assert load_prompts(recipe(chosen=chosen)).prompts == prompts[5:11]
    some = load_prompts(recipe(chosen=chosen, count=2)).prompts
    assert [prompt.id for prompt in some] == sorted(chosen)[:2]
    first = load_prompts(recipe(count=2)).prompts
    assert {prompt.id for prompt in first}.isdisjoint(chosen)  # other prompts without the choice


def test_a_prompt_that_the_file_lacks_is_named() -> None:
    with pytest.raises(PromptError, match=r"lacks 1 of the 1 prompts .* 00ff"):
        load_prompts(recipe(chosen=["00ff"]))
