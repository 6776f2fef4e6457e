import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageStat

from analysis.features import appearance
from analysis.features.appearance import Appearance
from analysis.features.base import Batch

Pixels = NDArray[np.uint8]


def plain(*colour: int) -> Pixels:
    return np.full((1, 64, 64, 3), colour, dtype=np.uint8)


def random_images(count: int = 5, height: int = 64, width: int = 64) -> Pixels:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (count, height, width, 3)).astype(np.uint8)


def numbers(images: Pixels) -> dict[str, float]:
    return {
        name: float(v[0])
        for name, v in Appearance().extract(Batch(images, [{}] * len(images))).items()
    }


def scene(seed: int = 0) -> Pixels:
    """A dark textured ground under a strong blue: neither frame nor pale sky."""
    rng = np.random.default_rng(seed)
    image = np.empty((1, 64, 64, 3))
    image[:, :20] = (30, 60, 160)
    image[:, 20:] = (60, 110, 40)
    return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def framed(image: Pixels, width: int, colour: int) -> Pixels:
    image = image.copy()
    inside = np.zeros(image.shape[1:3], dtype=bool)
    inside[width:-width, width:-width] = True
    image[:, ~inside] = colour
    return image


def under_sky(image: Pixels, rows: int) -> Pixels:
    image = image.copy()
    image[:, :rows] = np.linspace((200, 215, 235), (235, 240, 245), rows)[:, None]
    return image


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brightness", 0.299 * 1.0 + 0.587 * 0.2 + 0.114 * 0.4),
        ("contrast", 0.0),
        ("saturation", 0.8),
        ("border_score", 0.0),
        ("sky_score", 0.0),
    ],
)
def test_a_plain_colour_has_known_numbers(name: str, value: float) -> None:
    assert numbers(plain(255, 51, 102))[name] == pytest.approx(value, abs=1e-6)


def test_brightness_and_contrast_are_pillows_luma() -> None:
    for image in random_images():
        grey = ImageStat.Stat(Image.fromarray(image).convert("L"))
        found = numbers(image[None])
        # Pillow rounds every pixel's luma to a whole number.
        assert found["brightness"] == pytest.approx(grey.mean[0] / 255, abs=0.5 / 255)
        assert found["contrast"] == pytest.approx(grey.stddev[0] / 255, abs=0.5 / 255)
        # The negative control: a plain mean of the channels is not luma.
        tinted = image // [1, 4, 1]
        wrong = tinted.mean() / 255
        right = ImageStat.Stat(Image.fromarray(tinted.astype(np.uint8)).convert("L")).mean[0] / 255
        assert abs(wrong - right) > 0.02


def test_saturation_is_pillows_hsv() -> None:
    for image in 128 + random_images() // 2:
        hsv = ImageStat.Stat(Image.fromarray(image).convert("HSV")).mean[1] / 255
        assert numbers(image[None])["saturation"] == pytest.approx(hsv, abs=1 / 255)
        hsl = _hsl_saturation(image)  # the negative control: the saturation of HSL differs
        assert abs(hsl - hsv) > 0.1


def _hsl_saturation(image: Pixels) -> float:
    rgb = image / 255
    high, low = rgb.max(-1), rgb.min(-1)
    room = 1 - np.abs(high + low - 1)
    return float(np.divide(high - low, room, out=np.zeros_like(room), where=room > 0).mean())


def test_colourfulness_by_the_papers_formula_pixel_by_pixel() -> None:
    for image in random_images(2, 16, 16):
        rg, yb = [], []
        for red, green, blue in image.reshape(-1, 3).tolist():
            rg.append(red - green)
            yb.append(0.5 * (red + green) - blue)
        spread = (np.var(rg) + np.var(yb)) ** 0.5
        level = (np.mean(rg) ** 2 + np.mean(yb) ** 2) ** 0.5
        found = numbers(image[None])["colourfulness"]
        assert found == pytest.approx(spread + 0.3 * level, rel=1e-6)
        # The negative control: on the scale 0..1 the number differs.
        assert found != pytest.approx((spread + 0.3 * level) / 255, rel=0.5)


def test_grey_has_no_colour_and_a_strong_pair_has_much() -> None:
    assert numbers(plain(90, 90, 90))["colourfulness"] == 0
    halves = plain(255, 0, 0)
    halves[:, 32:] = (0, 0, 255)
    assert numbers(halves)["colourfulness"] > 109


@pytest.mark.parametrize("width", [1, 2, 5, 8])
@pytest.mark.parametrize("colour", [10, 245])
def test_a_frame_is_seen(width: int, colour: int) -> None:
    assert numbers(framed(scene(), width, colour))["border_score"] > 0.9


@pytest.mark.parametrize(
    "image",
    [scene(), plain(245, 245, 245), random_images(1), under_sky(scene(), 30)],
    ids=["scene", "plain", "noise", "sky"],
)
def test_what_is_no_frame_is_none(image: Pixels) -> None:
    assert numbers(image)["border_score"] < 0.2


def test_three_sides_are_no_frame() -> None:
    image = framed(scene(), 4, 245)
    image[:, -4:] = scene()[:, -4:]
    assert numbers(image)["border_score"] < 0.5


def test_a_frame_is_the_same_at_any_size() -> None:
    small = framed(scene(), 4, 245)
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    assert numbers(large) == pytest.approx(numbers(small), abs=1e-5)


def test_a_large_pale_sky_scores_its_share() -> None:
    assert numbers(under_sky(scene(), 48))["sky_score"] == pytest.approx(48 / 64, abs=0.02)
    assert numbers(under_sky(scene(), 16))["sky_score"] == pytest.approx(16 / 64, abs=0.02)


@pytest.mark.parametrize("image", [scene(), random_images(1), under_sky(scene(), 40)[:, ::-1]])
def test_what_is_no_sky_is_none(image: Pixels) -> None:
    """The last image is a pale sky upside down, which does not count."""
    assert numbers(image)["sky_score"] < 0.05


def test_scores_of_tiny_images_are_zero_not_an_error() -> None:
    assert numbers(random_images(1, 4, 4))["border_score"] == 0


def test_every_value_is_in_its_range() -> None:
    found = Appearance().extract(Batch(random_images(20), [{}] * 20))
    for name, top in {
        "brightness": 1,
        "contrast": 0.5,
        "saturation": 1,
        "colourfulness": 190,
    }.items():
        assert 0 <= found[name].min() <= found[name].max() <= top
    assert appearance.reduced(np.zeros((2, 130, 200, 3))).shape == (2, 65, 100, 3)
