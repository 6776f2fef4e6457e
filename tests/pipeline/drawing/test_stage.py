"""Tiles are drawn in batches of one size; a cell that fails is a row without an image."""

import base64
import io
import json
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import find_card, resolve
from pipeline.drawing.stage import GenerateStage, generate_stage
from pipeline.drawing.stage.loading import load_intervention, load_model
from pipeline.drawing.tile import CellImage, Drawer
from pipeline.errors import ConfigError, ModelError, RunError
from pipeline.interventions.particle_guidance import ParticleGuidance
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import make_tile
from pipeline.runs.layout import CANARY_FILE
from pipeline.runs.run import Run
from pipeline.settings.config import InterventionConfig
from pipeline.settings.recipe import Recipe
from pipeline.stage import DrawnShard, Resources
from pipeline.storage.codec import encode_image
from pipeline.storage.schema import STATUS_FAILED, STATUS_FLAGGED, STATUS_NONFINITE, STATUS_OK
from pipeline.storage.sealed import seal
from pipeline.usage import Stopwatch

PROMPTS = {p.id: p for p in map(Prompt, ("a", "b", "c"))}
TILE = make_tile((0, 1, 2, 3, 4), tuple(PROMPTS))


class PlainModel:
    """Stands in for a model: paints each image in the colour of its seed."""

    def __init__(self, trouble: Callable[[Batch], None] = lambda batch: None) -> None:
        self.trouble = trouble
        self.batches: list[Batch] = []

    def generate(self, batch: Batch) -> Drawn:
        self.batches.append(batch)
        self.trouble(batch)
        seeds = np.array(batch.seeds)
        images = np.broadcast_to(seeds[:, None, None, None], (len(seeds), 8, 8, 3)) % 256
        none = np.zeros(len(seeds), bool)
        return Drawn(images.astype(np.uint8), ~none, none, none.astype(np.int32))


def draw(model: object, batch_size: int = 4) -> list[CellImage]:
    drawer = Drawer(model, batch_size)  # type: ignore[arg-type]
    return [image for batch in drawer.batches(TILE, PROMPTS) for image in batch]


@given(st.integers(1, 20))
def test_every_batch_has_one_shape_and_padding_is_dropped(batch_size: int) -> None:
    model = PlainModel()
    images = draw(model, batch_size)
    assert {len(batch.seeds) for batch in model.batches} == {batch_size}
    assert [int(image.pixels[0, 0, 0]) for image in images if image.pixels is not None] == [
        seed for _, seed in TILE.cells
    ]
    assert {image.micro_batch for image in images} == {batch_size}


def out_of_memory_above(limit: int) -> Callable[[Batch], None]:
    def trouble(batch: Batch) -> None:
        if len(batch.seeds) > limit:
            raise torch.OutOfMemoryError("too many")

    return trouble


def test_a_batch_that_is_too_large_runs_in_halves_and_says_so() -> None:
    images = draw(PlainModel(out_of_memory_above(2)), 8)
    assert {image.status for image in images} == {STATUS_OK}
    assert {image.micro_batch for image in images} == {2}


def poisoned_seed(batch: Batch) -> None:
    if 3 in batch.seeds:
        raise ValueError("cannot draw 3")


def test_one_bad_cell_costs_one_row() -> None:
    images = draw(PlainModel(poisoned_seed))
    by_seed = {seed: image for (_, seed), image in zip(TILE.cells, images, strict=True)}
    assert by_seed[3].status == STATUS_FAILED
    assert by_seed[3].reason == "ValueError: cannot draw 3"
    assert {by_seed[seed].status for seed in (0, 1, 2, 4)} == {STATUS_OK}


def always(error: Exception) -> Callable[[Batch], None]:
    def trouble(batch: Batch) -> None:
        raise error

    return trouble


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (ValueError("all of them"), RuntimeError),
        (ModelError("no such scheduler"), ModelError),
        (RuntimeError("CUDA error: device-side assert"), RuntimeError),
    ],
)
def test_an_error_of_all_cells_makes_no_row(error: Exception, wanted: type[Exception]) -> None:
    with pytest.raises(wanted, match=str(error)):
        draw(PlainModel(always(error)))


def test_cuda_errors_are_not_tried_on_halves() -> None:
    model = PlainModel(always(RuntimeError("CUDA error: sticky")))
    with pytest.raises(RuntimeError, match="sticky"):
        draw(model)
    assert len(model.batches) == 1


class SpoiltModel(PlainModel):
    """Gives NaN for seed 1, and has the safety checker replace seed 2."""

    def generate(self, batch: Batch) -> Drawn:
        drawn = super().generate(batch)
        seeds = np.array(batch.seeds)
        return Drawn(drawn.images, seeds != 1, seeds == 2, drawn.truncated_tokens)


def test_nonfinite_and_flagged_cells_have_a_status_and_no_pixels() -> None:
    images = draw(SpoiltModel())
    by_seed = {seed: image for (_, seed), image in zip(TILE.cells, images, strict=True)}
    assert (by_seed[1].status, by_seed[2].status) == (STATUS_NONFINITE, STATUS_FLAGGED)
    assert by_seed[1].pixels is None
    assert by_seed[2].pixels is None
    assert by_seed[0].status == STATUS_OK


@pytest.mark.parametrize("codec", ["webp", "png"])
def test_images_are_lossless(codec: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (33, 17, 3)).astype(np.uint8)
    blob = encode_image(pixels, codec)  # type: ignore[arg-type]
    decoded = np.asarray(Image.open(io.BytesIO(blob)).convert("RGB"))
    assert np.array_equal(decoded, pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=100)
    lossy = np.asarray(Image.open(buffer).convert("RGB"))
    assert not np.array_equal(lossy, pixels)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    recipe = Recipe(
        name="r",
        card="seedling-mini",
        prompts={"source": "seedling"},
        seeds={"count": 2},
        tile={"seeds": 2, "prompts": 2},
        batch_size=4,
        keep_images=1,
        sampling={"num_inference_steps": 1},
    )
    files = resolve(find_card("seedling-mini"))
    run = Run.start(tmp_path / "run", recipe.run_configs(files)[""], recipe)
    run.grow([5, 6], [Prompt("a red ball"), Prompt("a blue cup")])
    return run


class ListSink:
    """Keeps the shards that it takes."""

    def __init__(self, resources: Resources = Resources()) -> None:  # noqa: B008 - it is frozen
        self.resources = resources
        self.taken: list[DrawnShard] = []

    def setup(self) -> None: ...

    def wants(self, shard_id: str, block: str) -> bool:
        return True

    def take(self, shard: DrawnShard, watch: Stopwatch) -> None:
        self.taken.append(shard)


def ready(run: Run, sinks: Sequence[ListSink] = ()) -> GenerateStage:
    stage = generate_stage(run, sinks)
    stage.setup()
    return stage


def test_shard_holds_kept_images_hashes_of_all_and_the_sink_gets_pixels(run: Run) -> None:
    sink = ListSink()
    stage = ready(run, [sink])
    (tile,) = run.tiles()
    outcome = stage.run(tile)
    assert (outcome.cells, outcome.failed, outcome.error) == (4, 0, "")
    (receipt,) = run.images.receipts()
    rows = run.images.read(receipt).to_pylist()
    assert [(row["prompt_id"], row["seed"]) for row in rows] == tile.cells
    assert [row["image"] is not None for row in rows] == [True, True, False, False]
    assert all(row["image_sha256"] for row in rows)
    (shard,) = sink.taken
    assert shard.content_sha256 == receipt.content_sha256
    decoded = Image.open(io.BytesIO(rows[0]["image"]["bytes"]))
    assert np.array_equal(np.asarray(decoded), shard.images[0])


def test_an_actor_has_what_its_sinks_need(run: Run) -> None:
    assert generate_stage(run).resources == Resources()
    sinks = [ListSink(), ListSink(Resources(gpus=1.0)), ListSink(Resources(threads=2))]
    assert generate_stage(run, sinks).resources == Resources(cpus=1.0, gpus=1.0, threads=2)


def test_drawing_again_gives_the_same_content(run: Run) -> None:
    (tile,) = run.tiles()
    ready(run).run(tile)
    first = next(run.images.receipts())
    run.images.supersede(tile.id, tile.block)
    ready(run).run(tile)
    again = next(run.images.receipts())
    assert first.file != again.file
    assert first.content_sha256 == again.content_sha256


def test_an_actor_that_draws_another_image_is_refused(run: Run) -> None:
    ready(run)
    ready(run)
    path = run.root / CANARY_FILE
    canary = json.loads(path.read_text())
    grey = encode_image(np.full((64, 64, 3), 127, np.uint8), "png")
    path.write_bytes(seal({**canary, "pixels": base64.b64encode(grey).decode()}))
    with pytest.raises(RunError, match="draws the run's canary cell"):
        ready(run)


def test_stage_must_be_set_up(run: Run) -> None:
    with pytest.raises(RuntimeError, match="setup"):
        generate_stage(run).run(next(run.tiles()))


class OldModel(PlainModel):
    """A user's family that still has the method's former name."""

    truncated = len


class NewModel(PlainModel):
    def __init__(self, *_: object) -> None:
        super().__init__()

    truncated_tokens = len


@pytest.mark.parametrize("family", [OldModel, NewModel])
def test_a_family_with_the_former_name_of_a_method_is_told_the_new_one(
    run: Run, family: type[PlainModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.drawing.stage.loading.load", lambda *_, **__: family)
    monkeypatch.setattr("pipeline.drawing.stage.loading.load_intervention", lambda _: None)
    if family is NewModel:
        assert isinstance(load_model(run), NewModel)
    else:
        with pytest.raises(ConfigError, match=r"no method truncated_tokens.*rename it"):
            load_model(run)


def test_a_run_of_another_version_of_its_intervention_is_not_continued() -> None:
    """Its remaining images would be drawn by other code than those that it has."""
    first = InterventionConfig(name="particle_guidance")  # as version 1 wrote it
    begun = SimpleNamespace(root="runs/old", config=SimpleNamespace(intervention=first))
    with pytest.raises(RunError, match=r"began with version 1 of particle_guidance.*version 2"):
        load_intervention(begun)  # type: ignore[arg-type]
    begun.config.intervention = first.with_source()
    assert isinstance(load_intervention(begun), ParticleGuidance)  # type: ignore[arg-type]


class Memory:
    """A device that holds so many images; they are freed when nothing refers to them."""

    def __init__(self, images: int) -> None:
        self.room = images
        self.used = 0
        self.sizes: list[int] = []

    def __call__(self, batch: Batch) -> None:
        size = len(batch.seeds)
        self.sizes.append(size)
        tensors = self._allocate(size)
        if self.used > self.room:
            raise torch.OutOfMemoryError(f"{self.used} of {self.room}")
        del tensors

    def _allocate(self, size: int) -> object:
        class Tensors:
            pass

        tensors = Tensors()
        self.used += size
        weakref.finalize(tensors, self._free, size)
        return tensors

    def _free(self, size: int) -> None:
        self.used -= size


def test_a_failed_batch_is_freed_before_its_half_is_drawn() -> None:
    """While the error is handled, its traceback would keep the 8 images, and no half would fit."""
    memory = Memory(4)
    assert {image.status for image in draw(PlainModel(memory), 8)} == {STATUS_OK}
    assert memory.used == 0


def test_halves_inside_the_handler_would_not_fit() -> None:
    """The negative control: the kept batch of 8 leaves no room."""
    memory = Memory(4)
    try:
        memory(Batch(("a",) * 8, range(8)))  # type: ignore[arg-type]
    except torch.OutOfMemoryError:
        with pytest.raises(torch.OutOfMemoryError, match="12 of 4"):
            memory(Batch(("a",) * 4, range(4)))  # type: ignore[arg-type]


def test_the_size_that_fits_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory(4)
    model: Any = PlainModel(memory)
    drawer = Drawer(model, 8)
    for _ in range(2):
        images = [image for batch in drawer.batches(TILE, PROMPTS) for image in batch]
        assert {image.micro_batch for image in images} == {4}
    assert memory.sizes.count(8) == 1
    assert "a batch of 8 images does not fit into memory: from now on, 4" in caplog.text


def test_a_poisoned_cell_does_not_shrink_later_batches() -> None:
    model: Any = PlainModel(poisoned_seed)
    drawer = Drawer(model, 8)
    for _ in range(2):
        list(drawer.batches(TILE, PROMPTS))
    assert [len(batch.seeds) for batch in model.batches].count(8) == 4
