"""Draw the noise of one seed for other programs."""

import io
import math
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.errors import ConfigError
from pipeline.noise import draw_noise
from pipeline.storage.local_store import LocalStore

LARGEST: Final = 2**26
"""Most numbers of one seed's noise: 256 MiB. Latents of 4,096 x 4,096 pixels have 2**22."""


def parse_shape(text: str) -> tuple[int, int, int]:
    """Read the shape of latents from "4,64,64".

    Raises:
        ConfigError: If the text is not three whole numbers above 0, or their product is above
            2**26.

    Example:
        >>> parse_shape("4,64,64")
        (4, 64, 64)
    """
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(
            f"--shape {text!r} is not a shape of latents; wanted channels, height and width, for "
            f"example 4,64,64"
        )
    channels, height, width = map(int, parts)
    if math.prod((channels, height, width)) > LARGEST:
        raise ConfigError(f"--shape {text} has more than {LARGEST:,} numbers; draw a smaller one")
    return channels, height, width


def write_noise(path: Path, seed: int, shape: tuple[int, int, int], spec: str) -> None:
    """Write the noise of a seed as a NumPy file; a file that exists is never overwritten.

    Raises:
        ConfigError: If the name does not end in .npy, or there is such a file already.
    """
    if path.suffix != ".npy":
        raise ConfigError(f"--out {path}: noise is written as a NumPy file; end its name in .npy")
    content = io.BytesIO()
    np.save(content, draw_noise([seed], shape, spec=spec)[0][0].numpy())
    if not LocalStore(path.parent).put_if_absent(path.name, content.getvalue()):
        raise ConfigError(f"--out {path}: this file exists; remove it or choose another name")
