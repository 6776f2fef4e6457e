"""Images that the contract suites measure: a scene of the small world, and worse ones."""

import numpy as np
import torch
from scipy.ndimage import uniform_filter

from analysis.features.base import Batch
from pipeline.stage import Uint8Images
from seedling.randomness import make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import parse

PROMPT = {"text": "a red horse", "object": "horse", "modifier": "red", "group": "horse", "set": 1}


def batch_of(images: Uint8Images) -> Batch:
    """A batch of images of "a red horse"."""
    return Batch(images, [PROMPT] * len(images))


def scene() -> Uint8Images:
    """A red horse that networks of the small world recognise, shape (64, 64, 3)."""
    parts = torch.tensor([parse("a red horse")])
    pixels = draw_scenes(parts, generator=make_generator(1)).images[0]
    return (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def blurred(image: Uint8Images) -> Uint8Images:
    """The mean over 9 x 9 pixels of an image of shape (H, W, 3)."""
    smooth = uniform_filter(image.astype(np.float64), size=(9, 9, 1))
    return np.asarray(smooth.round(), dtype=np.uint8)


def noise() -> Uint8Images:
    """Uniform random pixels, shape (64, 64, 3)."""
    return np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def plain() -> Uint8Images:
    """Grey everywhere, shape (64, 64, 3)."""
    return np.full((64, 64, 3), 128, dtype=np.uint8)
