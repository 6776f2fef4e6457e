"""Extract `appearance`: six plain numbers of an image.

Colours are the stored sRGB values as fractions 0..1, not linearised. Luma is that of ITU-R
BT.601. `border_score` and `sky_score` are computed on the image reduced to about 64 pixels by
block means, so that they mean the same at any size.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from analysis.features.base import Batch, Columns, Feature
from analysis.statistics.arrays import Floats
from analysis.statistics.colours import luma
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column

IMAGES_PER_PASS = 8
"""Images computed together. Images that fit into the cache take half the time; the numbers do not
depend on it."""
SHORT_SIDE = 64
"""Pixels to which the shorter side is reduced for the two scores."""
BORDER_STEP = 0.08
"""Largest difference in any channel of two colours that `border_score` counts as equal."""
BORDER_DEPTH = 8
"""The widest frame that `border_score` looks for is 1 / 8 of the shorter side."""
SKY_VALUE, SKY_SATURATION, SKY_STEP = 0.6, 0.5, 0.08
"""A pixel is pale from this HSV value up and to this HSV saturation, and smooth up to this
difference in luma from the pixel above."""


class Appearance(Feature):
    """Brightness, contrast, colourfulness, saturation, border score and sky score."""

    name: ClassVar[str] = "appearance"
    code_version: ClassVar[int] = 1

    @property
    def columns(self) -> tuple[Column, ...]:
        """Six float32 columns."""
        kind = pa.float32()
        return (
            Column("brightness", kind, "Mean luma.", "0..1"),
            Column("contrast", kind, "Standard deviation of luma (RMS contrast).", "0..0.5"),
            Column("colourfulness", kind, "Hasler and Suesstrunk's M.", "0 (grey) to about 190"),
            Column("saturation", kind, "Mean HSV saturation.", "0..1"),
            Column("border_score", kind, "How much of a plain frame there is.", "0..1"),
            Column("sky_score", kind, "Share that is pale and smooth from the top.", "0..1"),
        )

    @property
    def parameters(self) -> Mapping[str, object]:
        """Thresholds of the two scores."""
        return {
            "short_side": SHORT_SIDE,
            "border": [BORDER_STEP, BORDER_DEPTH],
            "sky": [SKY_VALUE, SKY_SATURATION, SKY_STEP],
        }

    def extract(self, batch: Batch) -> Columns:
        """Compute the six numbers. They are bit for bit the same in any batch.

        Example:
            >>> white = Batch(np.full((1, 64, 64, 3), 255, dtype=np.uint8), [{}])
            >>> {name: float(v[0]) for name, v in Appearance().extract(white).items()}
            {'brightness': 1.0, 'contrast': 0.0, 'colourfulness': 0.0, 'saturation': 0.0, \
'border_score': 0.0, 'sky_score': 1.0}
        """
        parts = range(0, len(batch), IMAGES_PER_PASS)
        rows = [_numbers(batch.images[start : start + IMAGES_PER_PASS]) for start in parts]
        return {
            name: np.concatenate([row[name] for row in rows]).astype(np.float32) for name in rows[0]
        }


def _numbers(images: Uint8Images) -> dict[str, Floats]:
    """Compute the six numbers of a few images, each of shape (B,), float64."""
    rgb = images / 255.0
    small = reduced(rgb)
    return {
        "brightness": _mean(luma(rgb)),
        "contrast": luma(rgb).reshape(len(rgb), -1).std(axis=1),
        "colourfulness": colourfulness(rgb),
        "saturation": _mean(hsv_saturation(rgb)),
        "border_score": border_score(small),
        "sky_score": sky_score(small),
    }


def _mean(values: Floats) -> Floats:
    return np.asarray(values.reshape(len(values), -1).mean(axis=1))


def _largest(rgb: Floats) -> Floats:
    """Return the largest channel; ten times as fast as a maximum over an axis of length 3."""
    return np.asarray(np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2]))


def hsv_saturation(rgb: Floats) -> Floats:
    """Compute HSV saturation, (max - min) / max, 0 for black; shape (..., 3) -> (...)."""
    high = _largest(rgb)
    spread = high + _largest(-rgb)
    return np.asarray(np.divide(spread, high, out=np.zeros_like(high), where=high > 0))


def colourfulness(rgb: Floats) -> Floats:
    """Compute M = sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2), colours in 0..255.

    Here rg = R - G and yb = (R + G) / 2 - B. The paper calls 15 slightly, 45 averagely, 82 highly
    and 109 extremely colourful.

    Args:
        rgb: Shape (B, H, W, 3), 0..1.

    Returns:
        Shape (B,).

    Source:
        Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images", section 7.
    """
    red, green, blue = np.moveaxis(rgb.reshape(len(rgb), -1, 3) * 255, -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    spread = np.sqrt(rg.var(axis=1) + yb.var(axis=1))
    return np.asarray(spread + 0.3 * np.hypot(rg.mean(axis=1), yb.mean(axis=1)))


def reduced(rgb: Floats) -> Floats:
    """Reduce images by block means to a shorter side of 64 to 127 pixels.

    Smaller images stay as they are.

    Args:
        rgb: Shape (B, H, W, 3). Rows and columns beyond the last whole block are cut off.

    Example:
        >>> reduced(np.zeros((1, 128, 200, 3))).shape
        (1, 64, 100, 3)
    """
    count, height, width, _ = rgb.shape
    size = max(1, min(height, width) // SHORT_SIDE)
    rows, columns = height // size, width // size
    cut = rgb[:, : rows * size, : columns * size]
    return np.asarray(cut.reshape(count, rows, size, columns, size, 3).mean(axis=(2, 4)))


def border_score(rgb: Floats) -> Floats:
    """Score how far the image is surrounded by a plain frame of one colour.

    A frame of t pixels is scored by the product of two shares. The first is the share of the
    frame's pixels that have its median colour. The second is the share of positions along the
    inner edge where the colour changes from the frame to two pixels further in; of the four
    sides, the smallest share counts. The score of the image is that of the best t from 1 to 1/8
    of the shorter side. Two colours differ if any channel differs by more than 0.08. A clean
    frame scores 1; an image without a frame, or of one colour, scores 0.

    Args:
        rgb: Shape (B, H, W, 3), 0..1.

    Returns:
        Shape (B,), 0..1.
    """
    depths = range(1, max(1, min(rgb.shape[1:3]) // BORDER_DEPTH) + 1)
    if min(rgb.shape[1:3]) < 2 * depths[-1] + 4:
        return np.zeros(len(rgb))
    return np.asarray(np.max([_frame(rgb, depth) for depth in depths], axis=0))


def _frame(rgb: Floats, depth: int) -> Floats:
    """Score a frame of exactly this many pixels."""
    ring = np.ones(rgb.shape[1:3], dtype=bool)
    ring[depth:-depth, depth:-depth] = False
    band = rgb[:, ring]
    apart = _largest(np.abs(band - np.median(band, axis=1, keepdims=True)))
    plain = (apart <= BORDER_STEP).mean(axis=1)
    across = rgb.transpose(0, 2, 1, 3)
    sides = [rgb, rgb[:, ::-1], across, across[:, ::-1]]
    return np.asarray(plain * np.min([_edge(side, depth) for side in sides], axis=0))


def _edge(side: Floats, depth: int) -> Floats:
    """Return the share of positions along the edge at row `depth` where the colour changes."""
    inside = side[:, :, depth + 2 : -(depth + 2)]
    step = _largest(np.abs(inside[:, depth - 1] - inside[:, depth + 1]))
    return np.asarray((step > BORDER_STEP).mean(axis=1))


def sky_score(rgb: Floats) -> Floats:
    """Return the share of the image that pale, smooth pixels connect to the top.

    In each column, pixels count from the top down to the first pixel that is not pale (HSV value
    below 0.6 or saturation above 0.5) or not smooth (luma more than 0.08 from the pixel above).
    A large pale sky scores high, and an all-white image scores 1.

    Args:
        rgb: Shape (B, H, W, 3), 0..1.

    Returns:
        Shape (B,), 0..1.
    """
    pale = (_largest(rgb) >= SKY_VALUE) & (hsv_saturation(rgb) <= SKY_SATURATION)
    brightness = luma(rgb)
    step = np.abs(np.diff(brightness, axis=1, prepend=brightness[:, :1]))
    reached = np.logical_and.accumulate(pale & (step <= SKY_STEP), axis=1)
    return _mean(reached.astype(np.float64))
