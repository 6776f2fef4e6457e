"""Templates become prompts only where a recipe asks for it."""

from pathlib import Path

import pytest

from goldenseed.steps.begin import load_prompts
from pipeline.errors import ConfigError, PromptError
from pipeline.settings.recipe import Recipe, load_recipe

pytest.importorskip("dynamicprompts")


def recipe_of(folder: Path, text: str, fields: str = "combinations: true") -> Recipe:
    (folder / "p.csv").write_text(f"category,prompt\n{text}\n")
    (folder / "r.yaml").write_text(
        f"card: seedling-mini\nprompts: {{source: p.csv, {fields}}}\nseeds: {{count: 2}}\n"
    )
    return load_recipe(str(folder / "r.yaml"))


def test_all_combinations_are_one_group(tmp_path: Path) -> None:
    found = load_prompts(recipe_of(tmp_path, "pets,a {red|blue} {cat|dog}\ncars,a car # 1"))
    texts = {"a red cat", "a red dog", "a blue cat", "a blue dog", "a car # 1"}
    assert {p.text for p in found.prompts} == texts
    assert {(p.category, p.group) for p in found.prompts} == {
        ("pets", "a {red|blue} {cat|dog}"),
        ("cars", "a car # 1"),
    }
    assert {found.lines[p.id] for p in found.prompts if p.category == "pets"} == {2}


def test_braces_are_text_unless_a_recipe_says_otherwise(tmp_path: Path) -> None:
    found = load_prompts(recipe_of(tmp_path, "pets,a {red|blue} cat", "literal: true"))
    assert [p.text for p in found.prompts] == ["a {red|blue} cat"]


def test_wildcards_are_files_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "colour.txt").write_text("red\ngreen\n")
    fields = "combinations: true, wildcards: lists"
    found = load_prompts(recipe_of(tmp_path, "pets,a __colour__ cat", fields))
    assert {p.text for p in found.prompts} == {"a red cat", "a green cat"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {red", "cannot be read"),
        ("a __colour__ cat", "found no list for __colour__"),
        ("a __../secret__ cat", "found no list for"),
        (" ".join(["{a|b|c|d|e|f}"] * 6), "more than 10,000 combinations"),
        ("{" * 500, "cannot be read"),
        ("${a=b}", "cannot be read"),
    ],
)
def test_templates_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PromptError, match=r"p\.csv:2: ") as error:
        load_prompts(recipe_of(tmp_path, f"x,{text}"))
    assert message in str(error.value)


def test_a_missing_folder_of_wildcards_is_refused(tmp_path: Path) -> None:
    fields = "combinations: true, wildcards: nowhere"
    with pytest.raises(ConfigError, match="is no folder"):
        load_prompts(recipe_of(tmp_path, "x,a __b__", fields))
