"""Inpainting prompts from a folder, and that folder from the small world."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageFileError, PromptError
from pipeline.prompts.conditions import Conditions
from pipeline.prompts.making.pairs import REMOVAL, read_pairs, write_pairs
from pipeline.prompts.prompt_sets import read_prompts
from seedling.make.pairs import LEAST_ROWS, bands_of, draw_pairs, main
from seedling.world.lettering import SIGN


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs")
    main([str(path), "--count", "6"])
    return path


def test_two_prompts_a_pair_with_their_pictures(folder: Path, tmp_path: Path) -> None:
    pairs = read_pairs(folder, size=64)
    assert write_pairs(tmp_path / "pairs.jsonl", pairs) == 12
    assert write_pairs(tmp_path / "pairs.jsonl", pairs) == 12
    prompts = read_prompts(tmp_path / "pairs.jsonl").prompts
    named = json.loads((folder / "objects.json").read_text())
    assert sorted(p.text for p in prompts if p.text != REMOVAL) == sorted(named.values())
    assert len({(p.image, p.mask) for p in prompts}) == 6
    pictures = Conditions(tmp_path / "conditions")
    for prompt in prompts:
        assert pictures[str(prompt.image)].size == (64, 64)
        mask = np.asarray(pictures[str(prompt.mask)])
        assert set(np.unique(mask).tolist()) == {0, 255}
    # At the model's own size nothing is resampled: the file is the scene.
    drawn = Image.open(folder / "images" / f"{pairs[0].name}.png")
    assert np.array_equal(np.asarray(drawn), pictures[hashlib.sha256(pairs[0].image).hexdigest()])


def test_a_larger_sample_holds_the_smaller_one(folder: Path) -> None:
    some = [pair.name for pair in read_pairs(folder, size=64, count=3)]
    assert some == [pair.name for pair in read_pairs(folder, size=64)][:3]
    with pytest.raises(ImageFileError, match="holds 6 pairs and 7 are wanted"):
        read_pairs(folder, size=64, count=7)


def test_masks_cover_their_objects() -> None:
    images, masks, names = draw_pairs(12, seed=1)
    assert len(images) == len(names) == 12
    assert masks.flatten(1).sum(dim=1).min() > 40
    assert masks.float().mean() < 0.6


def test_bands_cover_objects_and_leave_room_for_a_sign(tmp_path: Path) -> None:
    _, masks, _ = draw_pairs(40, seed=2)
    bands = bands_of(masks)
    assert bool((bands | ~masks).all())
    assert bool((bands.all(2) == bands.any(2)).all()), "over the whole width"
    rows = bands.any(2).sum(1)
    assert int(rows.min()) == LEAST_ROWS > SIGN
    assert bool((rows >= masks.any(2).sum(1)).all())
    main([str(tmp_path), "--count", "3", "--bands"])
    written = np.asarray(Image.open(tmp_path / "masks" / "00000.png"))
    assert np.array_equal(written.min(axis=1), written.max(axis=1))


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "images" / "a.png")
    with pytest.raises(ImageFileError, match="holds no image"):
        read_pairs(tmp_path, size=64)
    Image.new("L", (64, 32), 255).save(tmp_path / "masks" / "a.png")
    with pytest.raises(PromptError, match=r'objects.json: .* wanted JSON such as \{"NAME"'):
        read_pairs(tmp_path, size=64)
    (tmp_path / "objects.json").write_text('{"b": "cup"}')
    with pytest.raises(PromptError, match="names no object for a"):
        read_pairs(tmp_path, size=64)
    (tmp_path / "objects.json").write_text('{"a": "cup"}')
    with pytest.raises(ImageFileError, match="its mask 64 x 32; the two must have the same size"):
        read_pairs(tmp_path, size=64)
    Image.new("L", (64, 64)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(ImageFileError, match="nothing to draw"):
        read_pairs(tmp_path, size=64)
