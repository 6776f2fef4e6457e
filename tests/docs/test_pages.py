"""The pages say what the code has: each field with its default, each command, each module."""

import re
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import goldenseed
from analysis.features import FEATURES
from analysis.metrics import METRICS
from analysis.studies import STUDIES
from goldenseed.api.run_view import RunView
from pipeline.cards.card import Card, find_card, load_cards
from pipeline.cards.card_parts import Part, PipelineStage
from pipeline.interventions import INTERVENTIONS
from pipeline.models import MODELS
from pipeline.runs.sampling import check_sampling
from pipeline.settings.choices import (
    PromptChoice,
    PromptShare,
    RankingConfig,
    SeedChoice,
    TileShape,
)
from pipeline.settings.config import InterventionConfig
from pipeline.settings.recipe import Recipe, Sampling, load_recipe, recipe_files
from tests.docs.reading import DOCS, ROOT, blocks, table_rows

TABLES = [
    ("recipes.md", "Fields", Recipe),
    ("recipes.md", "Prompts", PromptChoice),
    ("recipes.md", "Seeds", SeedChoice),
    ("recipes.md", "Tiles", TileShape),
    ("recipes.md", "Sampling", Sampling),
    ("recipes.md", "Interventions", InterventionConfig),
    ("recipes.md", "Feature prompts", PromptShare),
    ("recipes.md", "Ranking", RankingConfig),
    ("cards.md", "Fields", Card),
    ("cards.md", "Stages", PipelineStage),
    ("cards.md", "Parts", Part),
]
FILLED_IN = {"source_sha256", "weights_sha256", "code_version"}
"""Fields that goldenseed fills in, not the user."""


def shown(field: FieldInfo) -> str:
    """A default as the pages write it."""
    if field.is_required():
        return "required"
    return _shown(field.get_default(call_default_factory=True))


def _shown(value: Any) -> str:  # noqa: ANN401 - any default
    if isinstance(value, BaseModel):
        value = {k: v for k, v in value.model_dump().items() if v is not None}
    if value is None or value == "":
        return "none" if value is None else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{k}: {_shown(v).strip('`')}" for k, v in value.items()) + "}`"
    if isinstance(value, (list, tuple)):
        return f"`[{', '.join(value)}]`"
    return f"`{value}`"


def documented(page: str, heading: str) -> dict[str, str]:
    """Field -> default, as a page's table states them."""
    rows = table_rows(DOCS / page, heading)
    return {name: row[1] for row in rows for name in re.findall(r"`(\w+)`", row[0])}


@pytest.mark.parametrize(("page", "heading", "model"), TABLES)
def test_each_field_stands_in_its_table_with_its_default(
    page: str, heading: str, model: type[BaseModel]
) -> None:
    known = {name: shown(field) for name, field in model.model_fields.items()}
    known = {name: default for name, default in known.items() if name not in FILLED_IN}
    if "name" in known and model is not InterventionConfig:
        known["name"] = "the file's name"
    assert documented(page, heading) == known


def test_a_missing_field_would_be_noticed() -> None:
    """The negative control of the test above."""

    class Longer(TileShape):
        frames: int = 3

    assert documented("recipes.md", "Tiles").keys() != Longer.model_fields.keys()
    assert shown(Longer.model_fields["frames"]) == "`3`"


@pytest.mark.parametrize("page", ["recipes.md", "../README.md"])
def test_recipes_on_the_pages_are_valid(page: str, tmp_path: Any) -> None:  # noqa: ANN401
    found = [text for _, text in blocks(DOCS / page, "yaml") if text.startswith("card:")]
    assert found
    for text in found:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        recipe = load_recipe(str(path))
        check_sampling(recipe, find_card(recipe.card))
        assert set(recipe.features) <= set(FEATURES)
        assert set(recipe.metrics) <= set(METRICS)


def test_cards_on_the_pages_are_valid(tmp_path: Any) -> None:  # noqa: ANN401
    found = [text for _, text in blocks(DOCS / "cards.md", "yaml") if text.startswith("family:")]
    assert found
    for text in found:
        path = tmp_path / "my_model.yaml"
        path.write_text(text, encoding="utf-8")
        assert find_card(str(path)).name == "my_model"


def test_each_command_and_option_is_on_the_page(fill: ModuleType) -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    for name, command in fill.commands().items():
        part = text.split(f"\n### {name}\n", 1)
        assert len(part) == 2, f"docs/commands.md has no section {name!r}"
        section = part[1].split("\n### ", 1)[0]
        for parameter in command.params:
            positional = not parameter.opts[0].startswith("-")
            wanted = parameter.metavar if positional else parameter.opts[0]
            assert f"`{wanted}" in section, (
                f"docs/commands.md, {name}: no {wanted}; run python docs/tools/fill.py"
            )


def test_each_module_is_on_the_map(fill: ModuleType) -> None:
    text = (DOCS / "map.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `(\S+)/`\n(.*?)(?=^### |^## |\Z)", text, re.DOTALL | re.M))
    on_map = {f"{folder}/{name}" for folder, body in sections.items() for name in names_of(body)}
    modules = {
        path
        for package in fill.PACKAGES
        for path in fill.modules(package)
        if not path.endswith("__init__.py")
    }
    assert on_map == modules, "run python docs/tools/fill.py"
    for path in modules:
        assert fill.first_line(ROOT / path), f"{path} has no docstring that says what it does"


def names_of(body: str) -> list[str]:
    """The files in the rows of a section."""
    return re.findall(r"^\| `([\w.]+\.py)`", body, re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("measures.md", [*FEATURES, *METRICS]),
        ("studies.md", list(STUDIES)),
        ("models.md", [name for name in INTERVENTIONS if name != "none"]),
        ("cards.md", list(MODELS)),
    ],
)
def test_each_name_of_a_registry_is_on_its_page(page: str, names: list[str]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []


def test_commands_on_the_pages_exist(fill: ModuleType) -> None:
    """Each `goldenseed NAME` in a block names a command, and a recipe that ships or an own file."""
    known = set(fill.commands())
    for path in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for _, text in blocks(path):
            for line in re.findall(r"^goldenseed (.*)$", text, re.MULTILINE):
                words = [*line.split(), "", ""]
                name = words[0] if words[0] in known else " ".join(words[:2])
                assert name in known, f"{path.name}: goldenseed {line}"
                target = words[1]
                if name in ("plan", "run", "generate", "search"):
                    assert target in recipe_files() or target.endswith(".yaml") or target.isupper()


def test_models_that_the_page_names_have_cards() -> None:
    text = (DOCS / "models.md").read_text(encoding="utf-8")
    short = {"-b", "-c", "-canny-pose", "-canny-sdxl"}
    section = text.split("## Models")[1].split("## Interventions")[0]
    names = {
        name
        for row in section.splitlines()
        if row.startswith("| ")
        for name in re.findall(r"`([^`]+)`", row.split(" | ")[1])
    }
    assert names - short <= set(load_cards())


def test_the_readme_is_short_and_names_what_a_newcomer_needs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 10_240
    for line in ("make run", "make test"):
        assert re.search(rf"^{line}\b", text, re.MULTILINE)
    assert "docs/seeds.png" in text
    assert "goldenseed init --model" in text


def test_the_sheet_of_the_readme_can_be_drawn_again() -> None:
    """Its recipe names its prompts, and the card is one that ships."""
    recipe = load_recipe(str(DOCS / "seeds" / "recipe.yaml"))
    assert (ROOT / recipe.prompts.source).samefile(DOCS / "seeds" / "prompts.txt")
    assert (DOCS / "seeds.png").stat().st_size < 400_000
    assert recipe.card in load_cards()


@pytest.mark.parametrize("page", ["python.md", "seeds.md", "../README.md"])
def test_names_in_python_examples_exist(page: str) -> None:
    """What the examples take from `goldenseed` and from an open run is there."""
    for _, text in blocks(DOCS / page, "python"):
        compile(text, page, "exec")
        for name in re.findall(r"\bgoldenseed\.(\w+)\(", text):
            assert name in goldenseed.__all__
        for name in re.findall(r"\brun\.(\w+)", text):
            assert hasattr(RunView, name), f"{page}: run.{name}"
