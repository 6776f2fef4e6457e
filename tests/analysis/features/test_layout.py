import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPSegForImageSegmentation, DepthAnythingForDepthEstimation

from analysis.features.base import Batch
from analysis.features.cards import find_weights
from analysis.features.layout import Layout, layout_numbers, main_object
from pipeline.errors import ConfigError, ModelError, ShardError
from tests.analysis.features import tiny_layout
from tests.analysis.features.card_files import write_card_file

SIZE = 128


def disc(x: float, y: float, radius: float, size: int = SIZE) -> np.ndarray:
    """Mark the pixels whose centre lies in a disc, given in fractions of the side."""
    place = (np.arange(size) + 0.5) / size
    return np.hypot(place[None, :] - x, place[:, None] - y) <= radius


@pytest.mark.parametrize(("x", "y", "radius"), [(0.3, 0.6, 0.2), (0.7, 0.25, 0.1)])
def test_the_numbers_are_those_of_the_drawn_disc(x: float, y: float, radius: float) -> None:
    mask = disc(x, y, radius)
    nearness = np.tile(np.linspace(0, 1, SIZE)[:, None], (1, SIZE))  # the ground: nearer below
    found, *rest = layout_numbers(mask, nearness)
    assert found == 1
    # A ground seen from above: what lies below the disc's middle is nearer.
    np.testing.assert_allclose(rest[:2], [x, y], atol=0.002)
    np.testing.assert_allclose(rest[2:], [np.pi * radius**2, 1 - y], atol=0.01)
    # Negative controls: positions of pixel corners instead of centres, and x for y, are wrong.
    corners = np.array([places.mean() / SIZE for places in np.nonzero(mask)[::-1]])
    assert (np.abs(corners - [x, y]) > 0.002).all()
    swapped = layout_numbers(mask.T, nearness)
    assert abs(swapped[1] - x) > 0.2


def test_depth_counts_pixels_so_its_scale_does_not_matter() -> None:
    mask = disc(0.5, 0.5, 0.2)
    nearness = np.random.default_rng(0).random((SIZE, SIZE))
    wanted = layout_numbers(mask, nearness)[4]
    assert layout_numbers(mask, np.exp(5 * nearness) * 7)[4] == wanted
    assert abs(layout_numbers(mask, -nearness)[4] - (1 - wanted)) < 1e-3
    nearest = np.where(mask, 2.0, nearness)
    assert layout_numbers(mask, nearest)[4] == 0
    assert layout_numbers(mask, np.where(mask, -1.0, nearness))[4] == 1 - mask.mean()


def test_the_main_object_is_the_largest_part() -> None:
    large, small = disc(0.3, 0.3, 0.2), disc(0.85, 0.85, 0.05)
    np.testing.assert_array_equal(main_object(large | small), large)
    # The negative control: the mean of both parts lies between them.
    both = layout_numbers(large | small, np.zeros((SIZE, SIZE)))
    assert both[1] > 0.31


def test_no_object_is_nan_and_not_zero() -> None:
    found, *rest = layout_numbers(np.zeros((8, 8), dtype=bool), np.zeros((8, 8)))
    assert found == 0
    assert np.isnan(rest).all()
    speck = disc(0.5, 0.5, 0.02)
    assert layout_numbers(speck, np.zeros((SIZE, SIZE)), least_size=0.01)[0] == 0
    assert layout_numbers(speck, np.zeros((SIZE, SIZE)))[0] == 1


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = Layout(str(tiny_layout.write_card(tmp_path_factory.mktemp("layout"))))
    made.setup()
    return made


def batch(words: list[str]) -> Batch:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(words), 8, 8, 3)).astype(np.uint8)
    large = images.repeat(8, axis=1).repeat(8, axis=2)
    return Batch(large, [{"object": word} for word in words])


def test_probabilities_are_the_librarys_own_forward(layout: Layout) -> None:
    """Each image has its own word; encoding each word only once changes nothing."""
    both = batch(["horse", "dog"])
    found = layout.probabilities(both)
    planes = [torch.from_numpy(image).permute(2, 0, 1) for image in both.images]
    texts = ["a photo of a horse", "a photo of a dog"]
    inputs = layout._words(text=texts, images=planes, padding=True, return_tensors="pt")
    untouched = CLIPSegForImageSegmentation.from_pretrained(find_weights(layout.card)).eval()
    with torch.no_grad():
        wanted = untouched(**inputs).logits.sigmoid().numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    # The negative control: with the words exchanged, the answer differs.
    other = layout.probabilities(Batch(both.images, both.prompts[::-1]))
    assert np.abs(other - wanted).max() > 1e-3


def test_nearness_is_the_librarys_own_depth(layout: Layout) -> None:
    images = batch(["horse"]).images
    planes = torch.from_numpy(images).permute(0, 3, 1, 2)
    pixels = layout._depth_pixels(images=list(planes), return_tensors="pt").pixel_values
    folder = find_weights(layout.depth_card)
    untouched = DepthAnythingForDepthEstimation.from_pretrained(folder).eval()
    with torch.no_grad():
        wanted = untouched(pixel_values=pixels).predicted_depth.numpy()
    found = layout.nearness(images, wanted.shape[1:])
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    other = layout.nearness(images[..., ::-1].copy(), wanted.shape[1:])  # the negative control
    assert np.abs(other - wanted).max() > 1e-3


def test_the_librarys_preprocessing_is_told_where_the_channels_are(
    layout: Layout, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("transformers")
    monkeypatch.setattr(logger, "propagate", True)
    one = Batch(np.zeros((2, 1, 1, 3), np.uint8), [{"object": "dog"}] * 2)
    with caplog.at_level(logging.WARNING, "transformers"):
        assert layout.extract(one)["found"].shape == (2,)
        assert "ambiguous" not in caplog.text
        layout._depth_pixels(images=[torch.zeros(3, 1, 1)], return_tensors="pt")
    assert "ambiguous" in caplog.text  # the negative control


@pytest.mark.parametrize(("height", "width"), [(1, 40), (40, 1)])
def test_too_narrow_images_are_refused_with_their_size(
    layout: Layout, height: int, width: int
) -> None:
    narrow = Batch(np.zeros((1, height, width, 3), np.uint8), [{"object": "dog"}])
    with pytest.raises(ShardError, match=f"images of {width} x {height} pixels"):
        layout.extract(narrow)


def test_it_applies_to_prompts_with_an_object_word(layout: Layout) -> None:
    assert layout.applies({"object": "horse"}) == ""
    assert layout.applies({"object": None}) == "the prompt names no object"


def test_another_threshold_is_another_feature(layout: Layout, tmp_path: Path) -> None:
    other = Layout(str(tiny_layout.write_card(tmp_path, threshold=0.4)))
    assert other.card_sha256 == layout.card_sha256
    assert other.identity() != layout.identity()


def test_bad_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"threshold is 1\.5"):
        Layout(str(tiny_layout.write_card(tmp_path, threshold=1.5)))
    for wrong in ({"treshold": 0.5}, {"threshold": "0.5"}, {"template": 3}, {"gpu": "no"}):
        with pytest.raises(ConfigError, match=rf"wrong kind: \['{next(iter(wrong))}'\]"):
            Layout(str(tiny_layout.write_card(tmp_path, **wrong)))
    with pytest.raises(ConfigError, match=r"template 'a thing' must hold one \{\}"):
        Layout(str(tiny_layout.write_card(tmp_path, template="a thing")))
    card, depth = tiny_layout.write_card(tmp_path), {"larger_is_nearer": "no"}
    write_card_file(tmp_path, "layout_depth", tmp_path / "depth", options=depth)
    with pytest.raises(ConfigError, match=r"layout_depth: .*wrong kind: \['larger_is_nearer'\]"):
        Layout(str(card))


def test_damaged_weights_are_a_clear_error(tmp_path: Path) -> None:
    feature = Layout(str(tiny_layout.write_card(tmp_path)))
    weights = tmp_path / "segmenter" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="holds no CLIPSegForImageSegmentation"):
        feature.setup()
