"""Two commands at work on one run share its shards, and neither changes the other's course."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from goldenseed.steps import begin, steps
from pipeline.drawing.stage import generate_stage
from pipeline.runs.run import Run
from pipeline.settings.recipe import load_recipe

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 12}
seeds: {start: 0, count: 4}
tile: {seeds: 2, prompts: 2}
batch_size: 4
sampling: {num_inference_steps: 2}
features: [appearance]
"""
TILES = 12
GOLDENSEED = [sys.executable, "-P", "-m", "goldenseed"]


def begun(folder: Path, **changes: str) -> subprocess.Popen[str]:
    """A command that draws the run, in a process of its own."""
    recipe = folder / "two.yaml"
    recipe.write_text(RECIPE + "".join(f"{key}: {value}\n" for key, value in changes.items()))
    words = ["run", str(recipe), "--out", str(folder / "run"), "--executor", "local"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [*GOLDENSEED, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip


def drawn_by_pid(run: Run) -> list[int]:
    """How many image shards each process drew."""
    pids = [dict(receipt.provenance).get("pid") for receipt in run.images.receipts()]
    return sorted(pids.count(pid) for pid in set(pids))


@pytest.mark.timeout(600)
def test_two_commands_share_the_shards_and_say_so(tmp_path: Path) -> None:
    processes = [begun(tmp_path), begun(tmp_path)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    run = Run.open(tmp_path / "run")
    assert len(list(run.images.receipts())) == TILES
    assert run.missing() == []
    assert sum("works on this run, too" in text for text in errors) >= 1, errors
    assert f"process {processes[0].pid} on" in errors[1] or (
        f"process {processes[1].pid} on" in errors[0]
    )
    assert [path for path in (run.root / "drivers").rglob("*") if path.is_file()] == []


def test_a_tile_that_another_process_has_is_not_drawn_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second driver works inside the first one's loop: each cell is drawn exactly once."""
    recipe = tmp_path / "two.yaml"
    recipe.write_text(RECIPE)
    first, second = (
        begin.start_runs(load_recipe(str(recipe)), tmp_path / "run")[0] for _ in range(2)
    )
    from pipeline.drawing.stage import loading

    drawn: list[str] = []
    draw = loading.Loaded.draw

    def counted(self, tile):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        drawn.append(tile.id)
        if len(drawn) == 3:  # in the middle of a tile, which the second must leave alone
            with monkeypatch.context() as patch:
                patch.setattr(steps, "_share", once)
                steps.generate(second, steps.Workers("local"))
        return draw(self, tile)

    def once(run, step, work):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        from pipeline.runs.drivers import Claims

        with Claims(run.store, step, recipe="two", tell=lambda _: None) as claims:
            return work(claims)

    monkeypatch.setattr(loading.Loaded, "draw", counted)
    steps.generate(first, steps.Workers("local"))
    assert len(drawn) == len(set(drawn)) == TILES
    assert first.missing() == []


def test_a_later_recipe_does_not_change_the_work_of_an_earlier_one(tmp_path: Path) -> None:
    recipe = tmp_path / "two.yaml"
    recipe.write_text(RECIPE)
    [run] = begin.start_runs(load_recipe(str(recipe)), tmp_path / "run")
    stage = generate_stage(run)
    recipe.write_text(RECIPE + "keep_images: none\ncodec: png\n")
    begin.start_runs(load_recipe(str(recipe)), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["keep_images"] == "none"
    stage.setup()
    loaded = stage._loaded
    assert loaded is not None
    assert len(loaded.kept_prompts) == 12
    assert loaded.run.recipe == run.recipe
    assert Run.open(run.root).kept_prompts() == frozenset()
