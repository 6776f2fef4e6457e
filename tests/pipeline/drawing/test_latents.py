"""Kept latents are those of the sampler, and to keep them changes nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import find_card, resolve
from pipeline.drawing.stage import GenerateStage, generate_stage
from pipeline.drawing.tile import Drawer
from pipeline.errors import ModelError
from pipeline.models.latents import Recorder
from pipeline.noise import draw_noise
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import make_tile
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe

STEPS = 3
PROMPTS = [Prompt("a red ball"), Prompt("a blue cup")]


def start(path: Path, keep: str) -> Run:
    recipe = Recipe(
        name="r",
        card="seedling-mini",
        prompts={"source": "seedling"},
        seeds={"count": 2},
        tile={"seeds": 2, "prompts": 2},
        batch_size=4,
        keep_latents=keep,
        sampling={"num_inference_steps": STEPS, "eta": 1.0},
    )
    run = Run.start(path, recipe.run_configs(resolve(find_card("seedling-mini")))[""], recipe)
    run.grow([5, 6], PROMPTS)
    return run


def drawn(run: Run) -> GenerateStage:
    stage = generate_stage(run)
    stage.setup()
    for tile in run.missing():
        stage.run(tile)
    return stage


def kept(run: Run) -> dict[tuple[str, int, int], np.ndarray]:
    (receipt,) = run.latents.receipts()
    rows = run.latents.read(receipt).to_pylist()
    values = [np.array(row["latents"], np.float32).reshape(run.latents_shape) for row in rows]
    keys = [(row["prompt_id"], row["seed"], row["step"]) for row in rows]
    return dict(zip(keys, values, strict=True))


def native(run: Run, prompt: Prompt, seed: int, steps: int) -> np.ndarray:
    """The latents of diffusers' own call, whose step noise follows the starting noise."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(
        resolve(find_card("seedling-mini")).folder, safety_checker=None, dtype=torch.float32
    )
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    seen = []

    def look(pipe: object, step: int, time: int, tensors: dict[str, torch.Tensor]) -> dict:
        seen.append(tensors["latents"].numpy().copy())
        return {}

    with torch.inference_mode():
        pipe(
            prompt.text,
            height=run.config.height,
            width=run.config.width,
            num_inference_steps=STEPS,
            guidance_scale=run.config.guidance_scale,
            eta=1.0,
            generator=torch.Generator().manual_seed(seed),
            callback_on_step_end=look,
            output_type="latent",
        )
    return seen[steps - 1][0]


def test_all_steps_are_the_samplers_and_a_run_without_them_is_the_same_run(tmp_path: Path) -> None:
    runs = {keep: start(tmp_path / keep, keep) for keep in ("none", "last", "all")}
    for run in runs.values():
        drawn(run)
    images = {keep: next(run.images.receipts()).content_sha256 for keep, run in runs.items()}
    assert len(set(images.values())) == 1
    assert len({run.run_id for run in runs.values()}) == 1
    assert not list(runs["none"].latents.receipts())
    every, last = kept(runs["all"]), kept(runs["last"])
    cells = [(prompt.id, seed) for prompt in PROMPTS for seed in (5, 6)]
    assert sorted(every) == sorted((*cell, step) for cell in cells for step in range(STEPS + 1))
    assert sorted(last) == sorted((*cell, STEPS) for cell in cells)
    assert all(np.array_equal(last[key], every[key]) for key in last)
    noise, _ = draw_noise([5, 6], runs["all"].latents_shape)
    assert np.array_equal(every[(PROMPTS[0].id, 6, 0)], noise[1].numpy())
    for step in range(1, STEPS + 1):
        theirs = native(runs["all"], PROMPTS[1], 5, step)
        assert every[(PROMPTS[1].id, 5, step)] == pytest.approx(theirs, abs=1e-3)
        assert every[(PROMPTS[1].id, 6, step)] != pytest.approx(theirs, abs=1e-1)


def test_lost_latents_are_drawn_again_and_complete_ones_are_not(tmp_path: Path) -> None:
    run = start(tmp_path, "last")
    stage = drawn(run)
    assert run.missing() == []
    (tile,) = run.tiles()
    (before,) = run.latents.receipts()
    stage.run(tile)
    assert next(run.latents.receipts()) == before
    run.latents.supersede(tile.id, tile.block)
    assert [missing.id for missing in run.missing()] == [tile.id]
    stage.run(tile)
    (again,) = run.latents.receipts()
    assert again.content_sha256 == before.content_sha256
    assert again.source_sha256 == next(run.images.receipts()).content_sha256


def test_an_interventions_look_comes_first() -> None:
    start = torch.zeros(1, 2, 2, 2)
    seen = []

    def inner(pipe: object, step: int, time: object, tensors: dict) -> dict:
        seen.append(step)
        return {"latents": tensors["latents"] + 1}

    recorder = Recorder("all", start)
    arguments = recorder.watching({"callback_on_step_end": inner, "more": 1})
    changed = arguments["callback_on_step_end"](None, 0, 0, {"latents": start + 5})
    assert (seen, arguments["more"]) == ([0], 1)
    assert (changed["latents"] == 6).all()
    assert (recorder.kept[1] == 6).all()
    assert (recorder.kept[0] == 0).all()
    assert Recorder("none", start).watching({"more": 1}) == {"more": 1}


class Blind:
    """A family that cannot keep latents."""

    def generate(self, batch: Batch) -> Drawn:
        none = np.zeros(len(batch.seeds), bool)
        images = np.zeros((len(none), 8, 8, 3), np.uint8)
        return Drawn(images, ~none, none, none.astype(np.int32))


def test_a_family_that_cannot_keep_latents_says_so() -> None:
    prompt = PROMPTS[0]
    tile = make_tile((0, 1), (prompt.id,))
    blind: Any = Blind()
    [batch] = Drawer(blind, 2).batches(tile, {prompt.id: prompt})
    assert len(batch) == 2
    with pytest.raises(ModelError, match="Blind cannot keep latents"):
        list(Drawer(blind, 2, keep_latents="last").batches(tile, {prompt.id: prompt}))
