"""A run reads its recipe and its grid once, and grows safely beside another process."""

import json
from collections import Counter
from pathlib import Path

import pytest

from goldenseed.steps.status import status_of
from goldenseed.steps.verify.known import Known
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs import grid_files
from pipeline.runs.layout import RECIPE_FILE, TOKEN_FILE
from pipeline.runs.run import Run
from pipeline.settings.config import RunConfig
from pipeline.settings.recipe import Recipe

CONFIG = RunConfig(
    card="seedling-mini",
    card_sha256="ab" * 32,
    dtype="float32",
    height=64,
    width=64,
    scheduler="DDIMScheduler",
    num_inference_steps=20,
    guidance_scale=3.0,
    batch_size=8,
)
PROMPTS = [Prompt(f"thing {number}") for number in range(4)]


def recipe(**changes: object) -> Recipe:
    fields = {
        "name": "r",
        "card": "seedling-mini",
        "prompts": {"source": "seedling"},
        "seeds": {"count": 2},
        "tile": {"seeds": 2, "prompts": 2},
        **changes,
    }
    return Recipe.model_validate(fields)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    started = Run.start(tmp_path / "run", CONFIG, recipe())
    started.grow([5, 6], PROMPTS[:2])
    return started


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is read from here on."""
    counts: Counter[str] = Counter()
    read = Path.read_bytes

    def counted(path: Path) -> bytes:
        counts[path.name] += 1
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    return counts


def test_an_opened_run_reads_its_recipe_and_grid_once(run: Run, reads: Counter[str]) -> None:
    opened = Run.open(run.root)
    assert reads == {"run.json": 1, RECIPE_FILE: 1, "0000.json": 1}
    for _ in range(3):
        assert opened.recipe.name == "r"
        assert list(opened.seeds) == [5, 6]
        assert list(opened.prompts.values()) == PROMPTS[:2]
        assert opened.grid_hash == run.grid_hash
        assert len(opened.blocks) == len(list(opened.tiles())) == len(opened.missing()) == 1
        assert opened.kept_prompts() == set(opened.prompts)
    assert reads == {"run.json": 1, RECIPE_FILE: 1, "0000.json": 1}
    Run.open(run.root)  # a second reading is counted
    assert reads == {"run.json": 2, RECIPE_FILE: 2, "0000.json": 2}


def test_growing_updates_the_run_that_grows(run: Run) -> None:
    other = Run.open(run.root)
    run.grow([7], PROMPTS)
    assert list(run.seeds) == [5, 6, 7]
    assert list(run.prompts.values()) == PROMPTS
    assert run.grid_hash == Run.open(run.root).grid_hash != other.grid_hash
    assert list(other.seeds) == [5, 6]


def test_a_second_driver_adds_only_what_is_still_missing(run: Run) -> None:
    other = Run.open(run.root)
    run.grow([7], [])
    other.grow([7, 8], PROMPTS[:3])
    blocks = [(block.seeds, len(block.prompt_ids)) for block in other.blocks]
    assert blocks == [((5, 6), 2), ((7,), 2), ((5, 6, 7), 1), ((8,), 3)]


def test_of_two_drivers_that_grow_at_once_neither_is_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Run.open(run.root)
    monkeypatch.setattr("pipeline.runs.run.append_grid", overtaken(other))
    run.grow([8], [])
    assert list(run.seeds) == [5, 6, 7, 8]
    cells = [cell for tile in run.tiles() for cell in tile.cells]
    assert len(cells) == len(set(cells)) == 4 * 2


def overtaken(other: Run) -> object:
    """`append_grid`, before whose first call another driver appends."""
    calls = []

    def append(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            other.grow([7], [])
        grid_files.append_grid(*arguments)

    return append


def test_an_interrupted_start_is_named_and_the_same_command_completes_it(run: Run) -> None:
    (run.root / RECIPE_FILE).unlink()
    (run.root / TOKEN_FILE).unlink()
    (run.root / "grid" / "0000.json").unlink()
    with pytest.raises(RunError, match=r"recipe\.json is missing.*the command that began the run"):
        Run.open(run.root)
    again = Run.start(run.root, CONFIG, recipe())
    assert again.read_token()
    assert not again.seeds
    assert not again.missing()
    again.grow([5, 6], PROMPTS[:2])
    assert again.grid_hash == run.grid_hash


@pytest.mark.parametrize("content", ["", "{", "3", "[]", "{}", '{"blocks": ["{}"], "prompts": []}'])
def test_a_damaged_grid_file_is_named(run: Run, content: str) -> None:
    (run.root / "grid" / "0000.json").write_text(content)
    with pytest.raises(RunError, match=r"0000\.json is damaged"):
        Run.open(run.root)


def test_a_name_that_is_taken_ends_in_words(run: Run) -> None:
    taken = run.root / "grid" / "0001.json"
    taken.mkdir()
    with pytest.raises(RunError, match=r"0001\.json is not a file of the grid.*move it away"):
        run.grow([7], [])
    taken.rmdir()
    run.grow([7], [])
    assert list(run.seeds) == [5, 6, 7]


def test_a_grown_run_without_its_first_grid_file_does_not_grow(run: Run) -> None:
    run.grow([7], [])
    (run.root / "grid" / "0000.json").unlink()
    for seeds in ([7], [8], [5, 6, 7, 8]):
        with pytest.raises(RunError, match=r"0000\.json is missing.*bring back a copy"):
            run.grow(seeds, PROMPTS)


def test_a_missing_grid_file_is_named(run: Run) -> None:
    run.grow([7], [])
    (run.root / "grid" / "0000.json").unlink()
    with pytest.raises(RunError, match=r"0000\.json is missing"):
        Run.open(run.root)


def test_all_missing_grid_files_are_named(run: Run) -> None:
    for seed in (7, 8, 9):
        run.grow([seed], [])
    for index in (1, 2):
        (run.root / "grid" / f"000{index}.json").unlink()
    files = {file.name: file.problem for file in Known(run.store).files}
    assert {name for name, problem in files.items() if problem} == {
        "grid/0001.json", "grid/0002.json"
    }  # fmt: skip
    assert "the run has later grid files" in files["grid/0001.json"]


def test_a_run_killed_before_its_first_grid_file_is_not_damaged(run: Run) -> None:
    """And with shards, the missing file is not said to have later ones."""
    grid_file = run.root / "grid" / "0000.json"
    grid_file.unlink()
    (run.root / "receipts").mkdir(exist_ok=True)
    assert not any(file.problem for file in Known(run.store).files)
    (run.root / "receipts" / "images" / "b").mkdir(parents=True)
    (run.root / "receipts" / "images" / "b" / "t.json").write_text("{}")
    [problem] = [file.problem for file in Known(run.store).files if file.problem]
    assert "is missing, and the run has shards of its cells" in problem


def test_status_of_a_run_that_another_driver_has_grown(run: Run) -> None:
    smaller = Run.open(run.root)
    run.grow([7, 8], PROMPTS)
    status = status_of(smaller)
    assert status.cells == len(run.seeds) * len(run.prompts)
    assert status.shards == sum(1 for _ in run.tiles())


@pytest.mark.parametrize("content", ["", "{", "3", "[]", '{"card": 1}'])
def test_a_damaged_recipe_is_named_and_the_same_command_mends_it(run: Run, content: str) -> None:
    (run.root / RECIPE_FILE).write_text(content)
    with pytest.raises(RunError, match=r"recipe\.json is missing or damaged"):
        Run.open(run.root)
    assert Run.start(run.root, CONFIG, recipe()).grid_hash == run.grid_hash


@pytest.mark.parametrize(("keep", "kept"), [("all", 2), ("none", 0), (0, 0), (1, 1), (9, 2)])
def test_the_first_prompts_keep_their_images(run: Run, keep: str | int, kept: int) -> None:
    again = Run.start(run.root, CONFIG, recipe(keep_images=keep))
    assert again.kept_prompts() == set(list(run.prompts)[:kept])
    assert again.recipe.keeps_all_images == (keep == "all")


def test_a_recipe_is_kept_as_json(run: Run) -> None:
    assert json.loads((run.root / RECIPE_FILE).read_text())["name"] == "r"
