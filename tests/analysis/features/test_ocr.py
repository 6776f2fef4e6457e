"""Compare `ocr` with EasyOCR's own `readtext`, which reads one image at a time."""

import hashlib
import io
import json
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from analysis.features import load_feature
from analysis.features import ocr as ours
from analysis.features.base import Batch
from analysis.features.cards import find_weights, load_card
from analysis.features.networks import read_options
from analysis.features.ocr import RANGES, Ocr, Settings
from analysis.features.ocr_pages import (
    CROPS,
    Crop,
    buckets,
    enlarged,
    read_mask,
    text_shares,
)
from pipeline.errors import ConfigError, ModelError, ShardError
from tests.analysis.features.lettered import Pixels, lettered

if TYPE_CHECKING:
    from easyocr import Reader

Found = list[tuple[str, list[list[float]]]]
Sure = list[list[float]]

COUNT = 64
WORDS = ("HOTEL", "STREET", "BAKERY")
# Warnings of EasyOCR itself, on pinning memory without a GPU and on Pillow's modes.
quiet = pytest.mark.filterwarnings("ignore:.*pin_memory.*", "ignore:.*mode.*:DeprecationWarning")


@pytest.fixture(scope="module")
def ocr() -> Ocr:
    made = load_feature("ocr")
    assert isinstance(made, Ocr)
    made.setup()
    return made


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> "Reader":
    import easyocr

    return easyocr.Reader(
        ["en"],
        gpu=False,
        model_storage_directory=str(find_weights(load_card("easyocr-english", "ocr"))),
        user_network_directory=str(tmp_path_factory.mktemp("networks")),
        download_enabled=False,
        verbose=False,
        quantize=False,
    )


@pytest.fixture(scope="module")
def pictures() -> Pixels:
    return lettered(COUNT)


def read_surely(feature: Ocr, images: Pixels) -> tuple[list[Found], Sure]:
    columns = feature.extract(Batch(images, [{}] * len(images)))
    pages = [json.loads(page) for page in columns["words"]]
    found = [[(word["text"], word["box"]) for word in page] for page in pages]
    return found, [[word["confidence"] for word in page] for page in pages]


def read(feature: Ocr, images: Pixels) -> list[Found]:
    return read_surely(feature, images)[0]


def rounded(box: Iterable[Iterable[float]]) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in box]


@pytest.fixture(scope="module")
def readings(reader: "Reader", pictures: Pixels) -> list[Any]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [reader.readtext(image) for image in pictures]


@pytest.fixture(scope="module")
def oracle(readings: list[Any]) -> list[Found]:
    return [[(text, rounded(box)) for box, text, _ in page] for page in readings]


@quiet
@pytest.mark.timeout(900)  # the oracle loads its networks slowly and reads one box at a time
def test_texts_boxes_and_confidences_are_those_of_readtext(
    ocr: Ocr, pictures: Pixels, oracle: list[Found], readings: list[Any]
) -> None:
    found, sure = read_surely(ocr, pictures)
    assert found == oracle
    wanted = [float(sure) for page in readings for _, _, sure in page]
    flat = np.concatenate(sure)
    np.testing.assert_allclose(flat, wanted, rtol=0, atol=1e-3)
    assert np.abs(flat[::-1] - wanted).max() > 0.1  # the negative control
    assert sum(map(len, oracle)) > COUNT // 2
    assert any(not page for page in oracle)


@quiet
def test_other_pictures_and_a_wrong_width_are_seen(
    ocr: Ocr, pictures: Pixels, oracle: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative controls: images in another order, and one width for all crops."""
    assert read(ocr, pictures[::-1][:8]) != oracle[:8]
    monkeypatch.setattr(
        ours, "buckets", lambda crops: [(64, [index]) for index in range(len(crops))]
    )
    assert read(ocr, pictures[:24]) != oracle[:24]


def test_crops_go_by_width_in_bounded_calls() -> None:
    pixels = np.zeros((64, 8), np.uint8)
    crops = [Crop(0, [], pixels, width) for width in (128, 64, 128, *[64] * CROPS)]
    found = list(buckets(crops))
    assert [width for width, _ in found] == [64, 64, 128]
    assert sorted(i for _, indices in found for i in indices) == list(range(len(crops)))
    assert max(len(places) for _, places in found) == CROPS


@quiet
def test_numbers_of_pictures_with_and_without_words(ocr: Ocr) -> None:
    images = np.concatenate([lettered(1), np.full((1, 64, 96, 3), 128, np.uint8)])
    found = ocr.extract(Batch(images, [{}] * 2))
    assert found["legible"].tolist() == [1, 0]
    assert found["words_count"].tolist() == [1, 0]
    assert 0.02 < found["text_share"][0] < 0.9
    assert found["text_share"][1] == 0
    assert np.isnan(found["mask_text_share"]).all()  # no prompt has a mask
    assert found["words"][1] == "[]"


def written_mask(folder: Path, mask: Pixels) -> str:
    """Write a mask where a run keeps it, without a suffix; return its sha256."""
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    (folder / sha256).write_bytes(file.getvalue())
    return sha256


@quiet
@pytest.mark.parametrize("name", ["ocr", "ocr@ocr-seedling"])
def test_the_share_of_the_mask_that_text_covers_is_measured(name: str, tmp_path: Path) -> None:
    feature = load_feature(name)
    assert isinstance(feature, Ocr)
    feature.setup()
    feature.conditions = tmp_path
    image = lettered(1)
    [((_, box), *_)] = read(feature, image)
    middle = round((box[0][0] + box[2][0]) / 2)
    left = np.zeros(image.shape[1:], np.uint8)
    left[:, :middle] = 255  # the left half of the word
    masks = [left, 255 - left, np.zeros_like(left)]
    prompts = [{"prompt_mask": written_mask(tmp_path, mask)} for mask in masks]
    found = feature.extract(Batch(image.repeat(3, axis=0), prompts))
    inside, outside, empty = found["mask_text_share"].tolist()
    whole = found["text_share"][0]
    share = middle / image.shape[2]
    assert share * inside + (1 - share) * outside == pytest.approx(whole, abs=1e-5)
    assert share * inside == pytest.approx(whole / 2, rel=0.1)
    # The negative control: the share of the inverted mask differs.
    assert abs(inside - outside) > 0.02
    assert math.isnan(empty)
    alone = feature.extract(Batch(image, [{"prompt_mask": None}]))
    assert np.isnan(alone["mask_text_share"]).all()


def test_masks_that_cannot_be_laid_on_the_picture(tmp_path: Path) -> None:
    size = (64, 96)
    small = written_mask(tmp_path, np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ShardError, match="mask has 32 x 32 pixels, the image 96 x 64"):
        read_mask(tmp_path, small, size)
    with pytest.raises(ShardError, match="a prompt's mask: found no condition image 000000000000"):
        read_mask(tmp_path, "0" * 64, size)
    file = io.BytesIO()
    np.save(file, np.ones(512))
    numbers = hashlib.sha256(file.getvalue()).hexdigest()
    (tmp_path / f"{numbers}.npy").write_bytes(file.getvalue())
    assert read_mask(tmp_path, numbers, size) is None  # numbers in place of a mask


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (300, 2)])
def test_tiny_pictures_have_no_words(ocr: Ocr, shape: tuple[int, int]) -> None:
    found = ocr.extract(Batch(np.zeros((1, *shape, 3), np.uint8), [{}]))
    assert found["words"].tolist() == ["[]"]
    assert found["text_share"].tolist() == [0]


@quiet
def test_small_scenes_are_read_enlarged_and_boxes_are_in_their_own_pixels(
    ocr: Ocr,
) -> None:
    large = load_feature("ocr@ocr-seedling")
    assert isinstance(large, Ocr)
    assert (large.settings.scale, large.settings.text_threshold) == (2, 0.9)
    assert large.identity() != ocr.identity()
    assert enlarged(np.zeros((4, 6, 3), np.uint8), 2).shape == (8, 12, 3)
    large.setup()
    image = lettered(1, height=64, width=64)
    [page] = read(large, image)
    assert page
    assert max(coordinate for _, box in page for corner in box for coordinate in corner) <= 64


def test_share_of_the_mask_that_text_covers() -> None:
    region = np.array([[2, 2], [5, 2], [5, 3], [2, 3]])  # 4 x 2 pixels
    mask = np.zeros((10, 10), dtype=bool)
    mask[2:4, 4:8] = True
    assert text_shares([region, region], (10, 10), mask) == (0.08, 0.5)
    assert text_shares([region], (10, 10), ~mask)[1] == 4 / 92
    assert math.isnan(text_shares([region], (10, 10), np.zeros_like(mask))[1])
    assert math.isnan(text_shares([region], (10, 10))[1])


def card_file(folder: Path, **changes: object) -> str:
    fields = {**load_card("easyocr-english", "ocr").model_dump(), **changes}
    path = folder / "card.yaml"
    path.write_text(json.dumps(fields))
    return f"ocr@{path}"


def test_weights_that_are_not_the_pinned_ones_are_never_read(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(find_weights(load_card("easyocr-english", "ocr")), folder)
    own = {"package": "", "path": str(folder)}
    find_weights(load_feature(card_file(tmp_path, **own)).card)  # type: ignore[attr-defined]
    with (folder / "english_g2.pth").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"english_g2.pth has sha256 .* damaged"):
        load_feature(card_file(tmp_path, **own)).setup()
    with pytest.raises(ModelError, match="pins no sha256"):
        load_feature(card_file(tmp_path, **own, files={})).setup()
    for pinned in ("craft_mlt_25k.pth", "english_g2.pth"):
        one = {pinned: load_card("easyocr-english", "ocr").files[pinned]}
        other = {"craft_mlt_25k.pth": "english_g2.pth"}.get(pinned, "craft_mlt_25k.pth")
        with pytest.raises(ModelError, match=f"pins no sha256 of {other}, and"):
            load_feature(card_file(tmp_path, **own, files=one)).setup()
    with pytest.raises(ModelError, match=r"no sha256 of craft_mlt_25k\.pth and english_g2\.pth"):
        load_feature(card_file(tmp_path, **own, files={}, pickled=False)).setup()
    (folder / "english_g2.pth").unlink()
    with pytest.raises(ModelError, match="is missing"):
        load_feature(card_file(tmp_path, **own)).setup()


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="package no_such_weights, which is not installed"):
        load_feature(card_file(tmp_path, package="no_such_weights")).setup()


@pytest.mark.parametrize(
    ("option", "value"),
    [("text_treshold", 0.9), ("scale", 2.5), ("text_threshold", "0.5"), ("gpu", "no")],
)
def test_an_option_that_is_unknown_or_of_another_kind_is_refused(
    tmp_path: Path, option: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=rf"wrong kind: \['{option}'\]"):
        load_feature(card_file(tmp_path, options={option: value}))


@pytest.mark.parametrize(
    ("option", "value"),
    [("scale", 0), ("text_threshold", 7), ("legible_share", -0.1), ("mag_ratio", 0)],
)
def test_an_option_out_of_its_range_is_refused(tmp_path: Path, option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{option} is {value}; . to .* is needed"):
        load_feature(card_file(tmp_path, options={option: value}))


def test_every_number_has_a_range_and_a_whole_number_is_one() -> None:
    names = {name for name, kind in Settings.__annotations__.items() if kind is not bool}
    assert set(RANGES) == names
    options = {"mag_ratio": 2, "text_threshold": 1}
    card = load_card("easyocr-english", "ocr").model_copy(update={"options": options})
    assert read_options(Settings, card).mag_ratio == 2


@quiet
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_turned_text_is_found_and_not_read(ocr: Ocr, quarters: int) -> None:
    """What `Ocr.limits`, the plan and docs/measures.md say; level text is the control."""
    images = []
    for word in WORDS:
        image = Image.new("RGB", (192, 192), (220, 225, 215))
        ImageDraw.Draw(image).text((24, 70), word, (20, 20, 40), ImageFont.load_default(38))
        images.append(np.ascontiguousarray(np.rot90(np.asarray(image), quarters)))
    columns = ocr.extract(Batch(np.stack(images), [{}] * len(images)))
    pages = [[word["text"] for word in json.loads(page)] for page in columns["words"]]
    right = [word in page for word, page in zip(WORDS, pages, strict=True)]
    assert (columns["text_share"] > 0.02).all()
    assert right == [quarters == 0] * len(WORDS), pages
