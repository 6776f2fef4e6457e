"""Check what each feature of the registry promises. The registry finds a new feature by itself.

A feature needs a line in `TOLERANCE` below and, if it needs a checkpoint, a tiny checkpoint in
tests/contracts/tiny.py.
"""

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from analysis.features import FEATURES, base, load_feature
from analysis.features.base import Columns, Feature, extract_in_batches
from pipeline.errors import GoldenseedError, RegistryError
from pipeline.stage import Uint8Images
from tests.contracts.example_images import PROMPT, batch_of, scene
from tests.contracts.tiny import with_tiny_card
from tests.contracts.words import classes_with_a_name, unlisted, unregistered

HERE = "tests/contracts/test_feature_contract.py"
FEATURES_TABLE = "FEATURES (analysis/features/__init__.py)"
TOLERANCE = {
    "appearance": 0.0,
    "clip": 1e-4,
    "clip_seedling": 1e-4,
    "dinov2": 1e-4,
    "gram": 1e-4,
    "gram_seedling": 1e-4,
    "hps": 1e-4,
    "inception": 1e-4,
    "layout": 2e-3,  # one pixel of 64 x 64 at the threshold may change sides
    "layout_seedling": 2e-3,
    "ocr": 0.0,  # one image at a time, except for the confidence, which is rounded
    "perceptual": 1e-4,
    "preference_seedling": 1e-4,
}
"""Largest difference between the numbers of an image alone and in a batch, as a share of the
largest number. Those of numpy are equal bit for bit; those of a network change in the last bits
of float32 with the shape of the batch."""


def pictures(count: int) -> Uint8Images:
    """Smooth random images, a black and a white image, a word and a scene of the small world."""
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


@pytest.fixture(scope="module", params=FEATURES)
def named(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of the feature, with the card of a tiny checkpoint if it needs a checkpoint."""
    return with_tiny_card(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def feature(named: str) -> Feature:
    feature = load_feature(named)
    try:
        feature.setup()
    except GoldenseedError as error:
        pytest.fail(
            f"feature {named} cannot be set up: {error}. If it needs a checkpoint, add what writes "
            f"a tiny one to CARDS (tests/contracts/tiny.py)"
        )
    return feature


def tolerance(feature: Feature) -> float:
    if feature.name not in TOLERANCE:
        pytest.fail(
            f"feature {feature.name} has no line in TOLERANCE ({HERE}): add one, 0.0 for a feature "
            f"of numpy alone, 1e-4 for one of a network"
        )
    return TOLERANCE[feature.name]


def test_a_tolerance_is_stated_for_every_feature() -> None:
    wrong = unlisted(
        "feature", FEATURES, TOLERANCE,
        table=f"TOLERANCE ({HERE}), how far an image alone may differ from the same in a batch",
    )  # fmt: skip
    remark = "images of 1 x 1, 1 x 40 and 40 x 1 pixels must give numbers or a GoldenseedError too"
    assert not wrong, f"{wrong}; {remark}"


@pytest.mark.parametrize(("name", "path"), classes_with_a_name("analysis.features"))
def test_a_class_in_the_folder_is_in_the_registry(name: str, path: str) -> None:
    assert not unregistered(name, path, FEATURES, table=FEATURES_TABLE)
    assert path in unregistered(name, path, {}, table=FEATURES_TABLE)  # the negative control


def test_the_name_of_the_class_is_that_of_the_registry(feature: Feature) -> None:
    kind = f"{type(feature).__module__}:{type(feature).__name__}"
    assert FEATURES.get(feature.name) == kind, (
        f"{kind} is named {feature.name!r} and has another name in FEATURES "
        f"(analysis/features/__init__.py): its `name` and the registry's must be equal"
    )


def test_an_image_alone_is_as_in_company(feature: Feature) -> None:
    images = pictures(5)
    together = feature.extract(batch_of(images))
    for index in range(len(images)):
        alone = feature.extract(batch_of(images[index : index + 1]))
        for name, values in together.items():
            message = f"column {name} of an image alone differs from the same image in a batch"
            if values.dtype == object:
                assert alone[name][0] == values[index], message
                continue
            np.testing.assert_allclose(
                alone[name][0],
                values[index],
                rtol=0,
                atol=tolerance(feature) * max(1.0, np.nanmax(np.abs(values), initial=0)),
                err_msg=message,
            )


def other_columns(feature: Feature, columns: Columns) -> str:
    """Say which columns `extract` gives instead of the declared ones; empty if they agree."""
    names = [column.name for column in feature.columns]
    if list(columns) == names:
        return ""
    return (
        f"`extract` of feature {feature.name} gives the columns {', '.join(columns) or 'none'}, "
        f"and `columns` declares {', '.join(names) or 'none'}: use the same names in the same order"
    )


def test_columns_are_as_declared(feature: Feature) -> None:
    columns = feature.extract(batch_of(pictures(3)))
    names = [column.name for column in feature.columns]
    assert list(columns) == names, other_columns(feature, columns)
    for column in feature.columns:
        values, name = columns[column.name], f"column {column.name} of feature {feature.name}"
        text = pa.types.is_string(column.type)
        dtype = np.dtype(object if text else np.float32)
        assert values.dtype == dtype, f"{name} is {values.dtype}; it must be {dtype}"
        listed = pa.types.is_fixed_size_list(column.type)
        shape = (3, column.type.list_size) if listed else (3,)
        assert values.shape == shape, f"{name} has shape {values.shape}; it declares {shape}"
        if text:
            assert all(isinstance(value, str) for value in values), f"{name} must hold str"
        else:
            finite = column.may_be_nan or np.isfinite(values).all()
            assert finite, f"{name} holds NaN: declare the column with may_be_nan=True"
            assert not np.isinf(values).any(), f"{name} holds an infinite number"
        assert column.meaning.endswith("."), f"the meaning of {name} must be a sentence with a dot"
    assert feature.table.names[:3] == ["prompt_id", "seed", "null_reason"]


def test_it_tells_pictures_apart(feature: Feature) -> None:
    for name, values in feature.extract(batch_of(pictures(5))).items():
        if values.dtype == object or not np.isnan(values).all():  # NaN: the object is not found
            different = {str(row.tolist()) for row in values.reshape(5, -1)}
            assert len(different) >= 2, f"column {name} is the same for 5 different images"


def test_it_is_repeatable_without_any_global_random_stream(feature: Feature) -> None:
    images = pictures(4)
    before = images.copy()
    first = feature.extract(batch_of(images))
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - looks only
    second = feature.extract(batch_of(images))
    assert torch.equal(states[0], torch.get_rng_state()), "`extract` uses torch's global stream"
    same = np.array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert same, "`extract` uses numpy's global stream"
    assert np.array_equal(images, before), "`extract` changes the images of its caller"
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], f"column {name} is not repeatable")


def test_batches_are_cut_at_fixed_places(feature: Feature, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BATCH", 3)  # the real one takes the large networks minutes
    images = pictures(5)
    whole = extract_in_batches(feature, batch_of(images))
    for name, values in feature.extract(batch_of(images[3:])).items():
        np.testing.assert_array_equal(whole[name][3:], values)


def test_other_sizes_are_measured_too(feature: Feature) -> None:
    images = pictures(2).repeat(2, axis=1).repeat(3, axis=2)
    columns = feature.extract(batch_of(images))
    assert not other_columns(feature, columns), other_columns(feature, columns)
    for column in feature.columns:
        if not (column.may_be_nan or pa.types.is_string(column.type)):
            message = f"column {column.name} holds NaN for images of 128 x 192 pixels"
            assert np.isfinite(columns[column.name]).all(), message


def measured(feature: Feature, images: Uint8Images) -> Columns | str:
    """Return the numbers, or the words of the refusal."""
    size = f"{images.shape[2]} x {images.shape[1]}"
    try:
        return feature.extract(batch_of(images))
    except GoldenseedError as error:
        return str(error)
    except (ArithmeticError, IndexError, RuntimeError, ValueError, Warning) as error:
        pytest.fail(
            f"feature {feature.name} fails on images of {size} pixels ({error}): give a number, or "
            f"raise a GoldenseedError that names the size"
        )


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_the_smallest_sides_give_numbers_or_words(feature: Feature, shape: tuple[int, int]) -> None:
    if feature.name == "ocr":
        pytest.skip("tests/analysis/features/test_ocr.py reads such images")
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3)).astype(np.uint8)
    columns, size = measured(feature, images), f"{shape[1]} x {shape[0]}"
    if isinstance(columns, str):
        assert size in columns, f"the refusal of an image of {size} pixels must name its size"
        return
    assert not other_columns(feature, columns), other_columns(feature, columns)
    for column in feature.columns:
        name = f"column {column.name} of images of {size} pixels"
        assert len(columns[column.name]) == 2, f"{name} has not one entry per image"
        finite = column.may_be_nan or np.isfinite(columns[column.name]).all()
        assert finite, f"{name} holds NaN: give a number, or raise a GoldenseedError with the size"


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
    assert feature.identity() != before, "the identity does not depend on `code_version`"


def test_it_says_to_which_prompts_it_applies(feature: Feature) -> None:
    message = "`applies` must return why the prompt is left out, as str; empty if it applies"
    assert isinstance(feature.applies(PROMPT), str), message


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(RegistryError, match="did you mean 'perceptual'"):
        load_feature("perceptul")
