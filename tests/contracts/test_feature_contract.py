"""What every feature of the registry keeps. A new one is found here by itself."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from analysis.features import FEATURES, base, load_feature
from analysis.features.base import Batch, Columns, Feature, extract_in_batches
from pipeline.errors import GoldenseedError, RegistryError
from pipeline.stage import Uint8Images
from seedling.randomness import make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import parse
from tests.contracts.tiny import with_tiny_card

# Largest difference between an image alone and in company. Numpy's numbers are the same bit
# for bit; a network's move with the shape of its batch in the last bits of float32.
TOLERANCE = {
    "appearance": 0.0,
    "clip": 1e-4,
    "clip_seedling": 1e-4,
    "dinov2": 1e-4,
    "gram": 1e-4,
    "gram_seedling": 1e-4,
    "hps": 1e-4,
    "inception": 1e-4,
    "layout": 2e-3,  # a pixel at the threshold: 1 of 64 x 64 may change sides
    "layout_seedling": 2e-3,
    "ocr": 0.0,  # one picture at a time, but for the confidence, which is rounded
    "perceptual": 1e-4,
    "preference_seedling": 1e-4,
}
PROMPT = {"text": "a red horse", "object": "horse", "modifier": "red", "group": "horse", "set": 1}


def batch_of(images: Uint8Images) -> Batch:
    return Batch(images, [PROMPT] * len(images))


def pictures(count: int) -> Uint8Images:
    """Smooth random pictures, a black and a white one, a word and a scene of the small world."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    images = coarse.repeat(8, axis=1).repeat(8, axis=2)
    images[0], images[1], images[2:3], images[4:5] = 0, 255, word(), scene()
    return images


def word() -> Uint8Images:
    """A dark word on light ground, shape (64, 64, 3)."""
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).text((4, 18), "TAXI", font=ImageFont.load_default(size=22), fill=0)
    return np.asarray(image)


def scene() -> Uint8Images:
    """A red horse, which networks that know the small world alone find; shape (64, 64, 3)."""
    parts = torch.tensor([parse("a red horse")])
    pixels = draw_scenes(parts, generator=make_generator(1)).images[0]
    return (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


@pytest.fixture(scope="module", params=FEATURES)
def named(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of the feature, with the card of a tiny checkpoint where it needs one."""
    return with_tiny_card(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def feature(named: str) -> Feature:
    made = load_feature(named)
    made.setup()
    return made


def test_a_tolerance_is_stated_for_every_feature() -> None:
    assert set(TOLERANCE) == set(FEATURES)


def test_an_image_alone_is_as_in_company(feature: Feature) -> None:
    images = pictures(5)
    together = feature.extract(batch_of(images))
    for place in range(len(images)):
        alone = feature.extract(batch_of(images[place : place + 1]))
        for name, values in together.items():
            if values.dtype == object:
                assert alone[name][0] == values[place]
                continue
            np.testing.assert_allclose(
                alone[name][0],
                values[place],
                rtol=0,
                atol=TOLERANCE[feature.name] * max(1.0, np.nanmax(np.abs(values), initial=0)),
            )


def test_columns_are_as_declared(feature: Feature) -> None:
    found = feature.extract(batch_of(pictures(3)))
    assert list(found) == [column.name for column in feature.columns]
    for column in feature.columns:
        values = found[column.name]
        text = pa.types.is_string(column.type)
        assert values.dtype == (object if text else np.float32)
        listed = pa.types.is_fixed_size_list(column.type)
        assert values.shape == ((3, column.type.list_size) if listed else (3,))
        if text:
            assert all(isinstance(value, str) for value in values)
        else:
            assert column.may_be_nan or np.isfinite(values).all()
            assert not np.isinf(values).any()
        assert column.meaning.endswith(".")
    assert feature.table.names[:3] == ["prompt_id", "seed", "null_reason"]


def test_it_tells_pictures_apart(feature: Feature) -> None:
    for values in feature.extract(batch_of(pictures(5))).values():
        if values.dtype == object or not np.isnan(values).all():  # NaN: nothing to be found here
            assert len({str(row.tolist()) for row in values.reshape(5, -1)}) >= 2


def test_it_is_repeatable_without_any_global_random_stream(feature: Feature) -> None:
    images = pictures(4)
    before = images.copy()
    first = feature.extract(batch_of(images))
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - looks only
    second = feature.extract(batch_of(images))
    assert torch.equal(states[0], torch.get_rng_state())
    np.testing.assert_array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(images, before)  # the caller's pictures are not touched
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_batches_are_cut_at_fixed_places(feature: Feature, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BATCH", 3)  # the real one takes the large networks minutes
    images = pictures(5)
    whole = extract_in_batches(feature, batch_of(images))
    for name, values in feature.extract(batch_of(images[3:])).items():
        np.testing.assert_array_equal(whole[name][3:], values)


def test_other_sizes_are_measured_too(feature: Feature) -> None:
    images = pictures(2).repeat(2, axis=1).repeat(3, axis=2)
    found = feature.extract(batch_of(images))
    for column in feature.columns:
        if not (column.may_be_nan or pa.types.is_string(column.type)):
            assert np.isfinite(found[column.name]).all()


def measured(feature: Feature, images: Uint8Images) -> Columns | str:
    """The numbers, or the words in which they are refused."""
    try:
        return feature.extract(batch_of(images))
    except GoldenseedError as error:
        return str(error)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_the_smallest_sides_give_numbers_or_words(feature: Feature, shape: tuple[int, int]) -> None:
    if feature.name == "ocr":
        pytest.skip("its own test reads such pictures, without the scenes above")
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3)).astype(np.uint8)
    found = measured(feature, images)
    if isinstance(found, str):
        assert f"{shape[1]} x {shape[0]}" in found
        return
    for column in feature.columns:
        assert len(found[column.name]) == 2
        assert column.may_be_nan or np.isfinite(found[column.name]).all()


def test_the_identity_is_full_and_stable(
    feature: Feature, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, digits = feature.identity().rpartition("-")
    assert name == feature.name
    assert len(digits) == 8
    int(digits, 16)
    assert load_feature(named).identity() == feature.identity()
    before = feature.identity()
    monkeypatch.setattr(type(feature), "code_version", feature.code_version + 1)
    assert feature.identity() != before


def test_it_says_to_which_prompts_it_applies(feature: Feature) -> None:
    assert isinstance(feature.applies(PROMPT), str)


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(RegistryError, match="did you mean 'perceptual'"):
        load_feature("perceptul")
