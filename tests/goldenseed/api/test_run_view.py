"""A run seen from Python: frames and images."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import goldenseed
from analysis.extraction.images import decode_image
from goldenseed.api.run_view import RunView
from pipeline.errors import RunError


@pytest.fixture
def view(made: Path) -> RunView:
    return goldenseed.open_run(made / "run")


def test_frames(view: RunView) -> None:
    assert view.images.filter(seed=3).collect().height == 40
    assert view.features("appearance").collect().height == 320
    assert set(view.per_seed["metric"]) == {"kid_perceptual", "brightness"}
    assert "320 of 320" in repr(view)


def test_one_image_is_the_stored_one(view: RunView) -> None:
    prompt = view.prompts[5]
    row = view.images.filter(prompt_id=prompt.id, seed=2).collect().row(0, named=True)
    stored = decode_image(row["image"]["bytes"], height=64, width=64)
    assert np.array_equal(np.asarray(view.image(prompt.text, 2)), stored)
    assert not np.array_equal(np.asarray(view.image(prompt.text, 3)), stored)


def test_grid_is_a_contact_sheet(view: RunView, tmp_path: Path) -> None:
    sheet = view.grid(prompts=3, seeds=[1, 5])
    assert Image.open(io.BytesIO(sheet._repr_png_())).size == sheet.image.size
    larger = view.grid(prompts=[p.text for p in view.prompts[:4]], seeds=4)
    assert larger.image.width > sheet.image.width
    assert larger.image.height > sheet.image.height
    sheet.save(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").exists()


def test_integers_of_numpy(view: RunView) -> None:
    same = view.grid(prompts=2, seeds=3).image
    assert view.grid(prompts=np.int64(2), seeds=np.uint32(3)).image == same  # type: ignore[arg-type]
    assert view.grid(prompts=2, seeds=np.arange(3)).image == same  # type: ignore[arg-type]
    prompt = view.prompts[5]
    assert view.image(prompt.text, np.int64(2)) == view.image(prompt.text, 2)  # type: ignore[arg-type]


def test_unknown_names_are_refused_with_a_hint(view: RunView) -> None:
    with pytest.raises(RunError, match="no prompt 'a red bal'"):
        view.image("a red bal", 0)
    with pytest.raises(RunError, match="no seed 999"):
        view.grid(prompts=1, seeds=[999])
    with pytest.raises(RunError, match="did you mean"):
        view.features("apperance")
