"""Whole runs of families whose prompts have condition images, started by the command."""

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from analysis.features.appearance import Appearance
from analysis.features.base import Batch as Images
from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.drawing.stage.loading import load_model
from pipeline.prompts.conditions import FOLDER, Conditions
from pipeline.runs.run import Run
from tests.goldenseed import tiny_recipes as tiny
from tests.goldenseed.conftest import Call
from tests.pipeline import tiny_instantid, tiny_pipelines
from tests.pipeline.models import test_inpainting, test_text_to_video

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = {"height": 64, "width": 64}
TEXTS = (
    "a red ball", "a blue tree", "grey", "a cup", "snow", "a dog", "two cats", "a house", "a boat",
)  # fmt: skip
"""Enough texts that each set holds two prompts, whatever conditions they have."""
CELLS = 2 * len(TEXTS)


def inpainting(folder: Path) -> tuple[Card, Path]:
    cells = [
        {"text": text, "image": tiny.picture(n), "mask": tiny.mask()}
        for n, text in enumerate(TEXTS)
    ]
    card = test_inpainting.build(folder / "card", 9).model_copy(update=SIZE)
    return card, tiny.write_prompts(folder, cells)


def inpainting_16(folder: Path) -> tuple[Card, Path]:
    _, prompts = inpainting(folder)
    return test_inpainting.build(folder / "card16", 33, 16).model_copy(update=SIZE), prompts


def controlnet(folder: Path) -> tuple[Card, Path]:
    cells = [{"text": text, "image": tiny.picture(n)} for n, text in enumerate(TEXTS)]
    card = tiny_pipelines.checkpoint(folder / "card", load_cards()["controlnet-canny"])
    return card, tiny.write_prompts(folder, cells)


def instantid(folder: Path) -> tuple[Card, Path]:
    cells = [
        {"text": text, "image": tiny.picture(n), "mask": tiny.numbers(n)}
        for n, text in enumerate(TEXTS)
    ]
    return tiny_instantid.checkpoint(folder / "card"), tiny.write_prompts(folder, cells)


def video(folder: Path) -> tuple[Card, Path]:
    cells = [{"text": text} for text in TEXTS]
    return test_text_to_video.build(folder / "card"), tiny.write_prompts(folder, cells)


KINDS = (inpainting, inpainting_16, controlnet, instantid, video)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_run_end_to_end(call: Call, tmp_path: Path, kind: object) -> None:
    card, prompts = kind(tmp_path)  # type: ignore[operator]
    recipe, out = tiny.write_recipe(tmp_path, card, prompts), tmp_path / "run"
    planned = call("plan", recipe, "--out", out, "--json")
    assert planned.code == 0, planned.err
    called = call("run", recipe, "--out", out, "--executor", "local")
    assert called.code == 0, called.err
    run = Run.open(out)
    rows = pl.read_parquet([run.store.path(f"images/{r.file}") for r in run.images.receipts()])
    assert len(rows) == json.loads(planned.out)[0]["cells"] == CELLS
    assert set(rows["status"]) == {"ok"}
    assert rows["image_sha256"].n_unique() == CELLS
    for name in ("image", "mask"):
        assert rows[f"prompt_{name}"].is_not_null().all() == (name in card.conditions)
    _draws_the_same(run, rows)
    _measures_the_same(run, rows)
    again = call("run", recipe, "--out", out, "--executor", "local", "--json")
    assert again.code == 0
    assert json.loads(again.out)[0]["drawn"] == CELLS


def _draws_the_same(run: Run, rows: pl.DataFrame) -> None:
    """Draw some images again, with conditions from the run folder only; they must be equal."""
    model, conditions = load_model(run), Conditions(run.root / FOLDER)
    for row in rows[::8].iter_rows(named=True):
        batch = Batch((run.prompts[row["prompt_id"]],) * 2, (row["seed"],) * 2, conditions)
        stored = np.array(Image.open(io.BytesIO(row["image"]["bytes"]))).astype(int)
        assert abs(model.generate(batch).images[0].astype(int) - stored).max() <= 1
    assert resolve(run.card).sha256 == run.config.card_sha256


def _measures_the_same(run: Run, rows: pl.DataFrame) -> None:
    """Measure the stored images again; for a video, compare the mean over its frames."""
    (folder,) = (run.root / "features").glob("appearance-*")
    files = sorted(folder.rglob("*.parquet"))
    stored = pl.read_parquet(files).join(rows, on=["prompt_id", "seed"])
    assert len(stored) == CELLS
    feature = Appearance()
    feature.setup()
    for row in stored.iter_rows(named=True):
        strip = np.array(Image.open(io.BytesIO(row["image"]["bytes"])))
        frames = strip.reshape(run.config.frames, -1, *strip.shape[1:])
        measured = feature.extract(Images(frames, [{"text": row["text"]}] * len(frames)))
        assert row["brightness"] == pytest.approx(measured["brightness"].mean(), rel=1e-5)
