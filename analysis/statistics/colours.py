"""Compute the luma of colours."""

import numpy as np

from analysis.statistics.arrays import Floats

_RED, _GREEN, _BLUE = 299, 587, 114

LUMA = (_RED / 1000, _GREEN / 1000, _BLUE / 1000)
"""Weights of red, green and blue in luma, by ITU-R BT.601."""


def luma(rgb: Floats) -> Floats:
    """Compute the BT.601 luma of colours in 0..1, shape (..., 3) -> (...).

    The weights are applied as whole numbers, so that white is exactly 1.

    Example:
        >>> float(luma(np.ones(3))), float(luma(np.array([1.0, 0.0, 0.0])))
        (1.0, 0.299)
    """
    return np.asarray((_RED * rgb[..., 0] + _GREEN * rgb[..., 1] + _BLUE * rgb[..., 2]) / 1000)
