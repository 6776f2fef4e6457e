"""What a grid will hold, and what cannot be ranked on it, is said before anything is drawn."""

import json
from pathlib import Path

import pytest

from pipeline.runs.run import Run
from tests.goldenseed.conftest import RECIPE, Call


def recipe_with(folder: Path, **changes: str) -> Path:
    """The recipe of the finished run with some lines replaced."""
    lines = {line.split(":")[0]: line for line in RECIPE.strip().splitlines()}
    lines |= {name: f"{name}: {text}" for name, text in changes.items()}
    (folder / "own.yaml").write_text("\n".join(lines.values()))
    return folder / "own.yaml"


def test_a_plan_of_a_run_is_of_all_that_it_will_hold(
    call: Call, recipe: Path, run_folder: Path, tmp_path: Path
) -> None:
    run = Run.open(run_folder)
    (tmp_path / "other.txt").write_text("a blue kite\n")
    other = recipe_with(tmp_path, prompts=f"{{source: {tmp_path / 'other.txt'}}}")
    options = ("--out", run_folder, "--seeds", "10")
    (plan,) = json.loads(call("plan", other, *options, "--json").out)
    assert (plan["seeds"], plan["prompts"]) == (10, 41), "the old ones and the new ones"
    assert (plan["cells"], plan["images_left"]) == (410, 410 - 320)
    assert plan["done"] == len(list(run.tiles()))
    words = "the run has 40 prompts x 8 seeds and grows to 41 x 10"
    shown = call("plan", other, *options)
    assert words in " ".join(shown.out.split())
    assert "90 images more" in " ".join(shown.out.split())
    grown = call("generate", other, *options, "--executor", "local")
    assert grown.code == 0
    assert words in grown.err
    status = json.loads(call("status", run_folder, "--json").out)[0]
    assert (status["cells"], status["drawn"]) == (410, 410)
    (plan,) = json.loads(call("plan", other, *options, "--json").out)
    assert (plan["images_left"], plan["growth"]) == (0, "")
    assert plan["done"] == plan["shards"] == status["shards"]


def test_a_new_run_does_not_grow(call: Call, recipe: Path, tmp_path: Path) -> None:
    (plan,) = json.loads(call("plan", recipe, "--out", tmp_path / "new", "--json").out)
    assert (plan["growth"], plan["images_left"], plan["cells"]) == ("", 320, 320)
    assert not (tmp_path / "new").exists(), "a plan writes nothing"


FEW = "a red ball\na blue ball\n"


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ranking": "{metric: brightness}"}, "metric brightness has no better end"),
        ({"seeds": "{count: 6}"}, "6 seeds cannot be ranked: draw at least 8, or leave"),
        ({"prompts": "{source: FEW}"}, "kid_perceptual cannot rank, set 1 will have"),
        ({"prompts": "{source: seedling, count: 4}"}, "cannot rank, set"),
    ],
)
def test_what_cannot_be_ranked_is_refused_before_anything_is_drawn(
    call: Call, tmp_path: Path, command: str, changes: dict[str, str], message: str
) -> None:
    (tmp_path / "few.txt").write_text(FEW)
    texts = {name: text.replace("FEW", str(tmp_path / "few.txt")) for name, text in changes.items()}
    path = recipe_with(tmp_path, **texts)
    called = call(command, path, "--out", tmp_path / "run")
    assert called.code == 2
    assert message in called.err
    assert not (tmp_path / "run").exists()
    unranked = recipe_with(tmp_path, **texts | {"ranking": "null"})
    assert call("plan", unranked, "--out", tmp_path / "run").code == 0


def test_seeds_and_prompts_that_a_run_holds_count(
    call: Call, recipe: Path, run_folder: Path
) -> None:
    few = ("--seeds", "2", "--prompts", "2")
    assert call("plan", recipe, *few).code == 2
    called = call("plan", recipe, *few, "--out", run_folder, "--json")
    assert called.code == 0
    assert json.loads(called.out)[0]["images_left"] == 0


def test_generate_draws_what_is_not_to_be_ranked(call: Call, recipe: Path, tmp_path: Path) -> None:
    options = ("--seeds", "2", "--prompts", "1", "--executor", "local")
    assert call("generate", recipe, *options, "--out", tmp_path / "run").code == 0
