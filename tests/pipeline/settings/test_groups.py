"""Groups are never cut: not by a batch, not by a halved batch, not by a tile or a grown grid."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goldenseed.steps.begin import check_recipe
from pipeline.batch import Batch, Drawn
from pipeline.cards.card import find_card, resolve
from pipeline.drawing.stage import generate_stage
from pipeline.drawing.tile import CellImage, Drawer
from pipeline.errors import ConfigError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import make_tile
from pipeline.runs.run import Run
from pipeline.settings.config import InterventionConfig
from pipeline.settings.recipe import Recipe

PROMPTS = {p.id: p for p in map(Prompt, ("a", "b", "c"))}
TILE = make_tile(tuple(range(4, 12)), tuple(PROMPTS))


class Grouped:
    """Stands at the edge of the program: notes which cells come together, fails above a size."""

    def __init__(self, limit: int = 99, bad: int = -1) -> None:
        self.limit, self.bad = limit, bad
        self.batches: list[Batch] = []

    def generate(self, batch: Batch) -> Drawn:
        self.batches.append(batch)
        if len(batch.seeds) > self.limit or self.bad in batch.seeds:
            raise MemoryError("too many")
        seeds = np.array(batch.seeds)
        images = np.broadcast_to(seeds[:, None, None, None], (len(seeds), 8, 8, 3))
        none = np.zeros(len(seeds), bool)
        return Drawn(images.astype(np.uint8), ~none, none, none.astype(np.int32))


def groups(model: Grouped) -> set[tuple[str, tuple[int, ...]]]:
    """What came together, cut at every fourth place."""
    return {
        ("+".join(sorted({p.text for p in b.prompts[i : i + 4]})), b.seeds[i : i + 4])
        for b in model.batches
        for i in range(0, len(b.seeds), 4)
    }


WHOLE = {(text, seeds) for text in "abc" for seeds in ((4, 5, 6, 7), (8, 9, 10, 11))}


def draw(model: Any, batch_size: int, group: int = 1) -> list[CellImage]:  # noqa: ANN401
    batches = Drawer(model, batch_size, group).batches(TILE, PROMPTS)
    return [image for batch in batches for image in batch]


@pytest.mark.parametrize("batch_size", [4, 8, 16, 20, 64])
@pytest.mark.parametrize("limit", [4, 8, 99])
def test_batches_and_their_halves_hold_whole_groups(batch_size: int, limit: int) -> None:
    model: Any = Grouped(limit)
    drawn = draw(model, batch_size, group=4)
    assert [int(c.pixels[0, 0, 0]) for c in drawn if c.pixels is not None] == [
        seed for _, seed in TILE.cells
    ]
    assert groups(model) == WHOLE
    assert {len(batch.seeds) % 4 for batch in model.batches} == {0}


def test_without_groups_the_halves_would_cut_them() -> None:
    model: Any = Grouped(limit=2)
    draw(model, 8)
    assert groups(model) - WHOLE, "each batch held whole groups"


def test_a_group_fails_whole() -> None:
    model: Any = Grouped(bad=9)
    drawn = draw(model, 8, group=4)
    failed = {seed for (_, seed), c in zip(TILE.cells, drawn, strict=True) if c.pixels is None}
    assert failed == {8, 9, 10, 11}


def recipe(**changes: Any) -> Recipe:  # noqa: ANN401
    fields: dict[str, Any] = {
        "name": "r",
        "card": "seedling-mini",
        "prompts": {"source": "seedling", "count": 1},
        "seeds": {"start": 4, "count": 8},
        "tile": {"seeds": 4, "prompts": 1},
        "batch_size": 8,
        "sampling": {
            "num_inference_steps": 2,
            "intervention": InterventionConfig(
                name="particle_guidance", parameters={"variant": "as_written"}
            ),
        },
        "features": [],
    }
    return Recipe(**(fields | changes))


WRONG = [
    ({"batch_size": 30}, "groups of 4 images together, and batch_size is 30"),
    ({"tile": {"seeds": 6, "prompts": 1}}, "groups of 4 images together, and tile.seeds is 6"),
    ({"seeds": {"start": 4, "count": 6}}, r"seeds \[8, 9\] are not \[8, 9, 10, 11\]"),
    ({"seeds": {"start": 2, "count": 4}}, r"seeds \[2, 3, 4, 5\] are not \[0, 1, 2, 3\]"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_a_recipe_that_cuts_groups_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    wrong = recipe(**changes)
    with pytest.raises(ConfigError, match=message):
        check_recipe(wrong)
    files = resolve(find_card("seedling-mini"))
    run = Run.start(tmp_path / "run", wrong.run_configs(files)[""], wrong)
    with pytest.raises(ConfigError, match=message):
        run.grow(wrong.seeds.values(), [Prompt("a red ball")])


def test_the_same_recipe_without_groups_is_fine() -> None:
    for changes, _ in WRONG:
        check_recipe(recipe(**changes, sampling={}))
    check_recipe(recipe())


def test_a_run_in_groups_is_drawn_whatever_its_batch(tmp_path: Path) -> None:
    files = resolve(find_card("seedling-mini"))
    pixels = []
    for batch_size in (4, 8):
        wanted = recipe(batch_size=batch_size, tile={"seeds": 8, "prompts": 1})
        run = Run.start(tmp_path / str(batch_size), wanted.run_configs(files)[""], wanted)
        run.grow(wanted.seeds.values(), [Prompt("a red ball")])
        stage = generate_stage(run)
        stage.setup()
        (tile,) = run.tiles()
        assert stage.run(tile).failed == 0
        (receipt,) = run.images.receipts()
        pixels.append(run.images.read(receipt).column("image").to_pylist())
    assert len(pixels[0]) == 8
    ours, theirs = (
        [np.asarray(_decoded(blob["bytes"])).astype(int) for blob in column] for column in pixels
    )
    assert max(abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) <= 1


def _decoded(blob: bytes) -> Any:  # noqa: ANN401
    import io

    from PIL import Image

    return Image.open(io.BytesIO(blob)).convert("RGB")
