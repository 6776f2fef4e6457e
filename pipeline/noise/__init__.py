"""Turn seeds into noise. Only this package makes generators for drawing images."""

from pipeline.noise.description import CHECK_TOLERANCE, check_values, noise_description
from pipeline.noise.draw import (
    NOISE_SPECS,
    check_seeds,
    draw_next,
    draw_noise,
    make_generators,
    noise_spec,
)
from pipeline.noise.spec import NoiseSpec

__all__ = [
    "CHECK_TOLERANCE",
    "NOISE_SPECS",
    "NoiseSpec",
    "check_seeds",
    "check_values",
    "draw_next",
    "draw_noise",
    "make_generators",
    "noise_description",
    "noise_spec",
]
