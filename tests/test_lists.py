"""The lists in the repository are releases, and what their README says is what `plan` says."""

import json
import re
from pathlib import Path

import pytest

from analysis.publish.release.check import check_release
from goldenseed.api.lists import golden_seeds
from goldenseed.steps import begin
from goldenseed.steps.plan import plan_recipe, prompts_to_plan

LISTS = Path(__file__).parents[1] / "lists"
RELEASES = sorted(path for path in LISTS.iterdir() if path.is_dir())
README = (LISTS / "README.md").read_text()
ROW = re.compile(r"\| `([\w-]+)` \| ([\w-]+) \| ([\d,]+) x ([\d,]+) \| (.+?) \| (.+?) \| (.+?) \|")


@pytest.mark.parametrize("folder", RELEASES, ids=lambda folder: folder.name)
def test_each_list_passes_the_check_and_is_named_by_the_readme(folder: Path) -> None:
    findings = check_release(folder)
    assert not findings.problems
    assert not findings.notes
    assert f"| `{folder.name}` |" in README


@pytest.mark.parametrize("folder", RELEASES, ids=lambda folder: folder.name)
def test_lists_of_the_small_models_are_marked_as_demonstrations(folder: Path) -> None:
    document = json.loads((folder / "golden_seeds.json").read_text())
    small = document["model"]["card"].startswith("seedling")
    assert document["demonstration"] is small
    assert ("**Demonstration.**" in (folder / "README.md").read_text()) is small


def test_a_list_in_the_repository_is_found_by_its_model() -> None:
    document = json.loads((LISTS / "showcase-turbo-v1" / "golden_seeds.json").read_text())
    assert golden_seeds("seedling-turbo") == [row["seed"] for row in document["seeds"]]


@pytest.mark.parametrize("row", ROW.findall(README), ids=lambda row: row[0])
def test_the_costs_are_those_of_plan(row: tuple[str, ...], tmp_path: Path) -> None:
    recipe, card, seeds, prompts, images, hours, disk = row
    choice = begin.choose_recipe(recipe)
    assert choice.ranking is not None, "a recipe that ranks nothing makes no list"
    (plan,) = plan_recipe(choice, prompts_to_plan(choice), tmp_path)
    assert "not measured on a GPU" in plan.basis
    assert plan.gpu_hours is not None
    found = (plan.card, f"{plan.seeds:,}", f"{plan.prompts:,}", f"{plan.cells:,}")
    assert found == (card, seeds, prompts, images)
    size = plan.image_bytes + plan.feature_bytes
    assert (f"{plan.gpu_hours:,.0f}", f"{size / 1e9:,.0f} GB") == (hours, disk)


def test_the_readme_has_costs() -> None:
    assert len(ROW.findall(README)) >= 4
