"""Read the words inside the inpainted region, in the images and in their originals."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from analysis.cells.cells import read_cells
from analysis.extraction.extract import CONDITIONS, feature_folder, run_feature
from analysis.features.base import Batch, Feature, extract_in_batches
from analysis.features.ocr_pages import white
from analysis.statistics.arrays import Floats
from pipeline.errors import RunError
from pipeline.prompts.image_files import decode_image_file
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

Mask = NDArray[np.bool_]
Words = tuple[Mapping[str, Any], ...]
"""Words as the feature `ocr` writes them: text, confidence, box."""

INSIDE = 0.5
"""A word is inside the mask if at least this share of its box lies in the mask."""
TEXT_COLUMNS = ("words", "mask_text_share")
"""Columns of the feature `ocr` that are read."""


@dataclass(frozen=True)
class Inside:
    """The text that was read inside the mask of one image.

    Attributes:
        texts: The words inside the mask.
        share: Share of the mask that detected text covers, legible or not.
    """

    texts: tuple[str, ...]
    share: float


class ConditionImages:
    """The condition images and masks that the prompts of a run name.

    Args:
        run: The run.

    Raises:
        RunError: If no prompt of the run names an image and a mask.
    """

    def __init__(self, run: Run) -> None:
        if not any(prompt.mask for prompt in run.prompts.values()):
            raise RunError(
                f"no prompt of {run.root} names an image and a mask; this study needs such "
                f"prompts: make them from a folder with `goldenseed prompts pairs`, and draw them "
                f"with a card that inpaints"
            )
        self.run = run
        self.size = (run.config.width, run.config.height)
        self.mask = lru_cache(None)(self._mask)

    def image(self, sha256: str) -> NDArray[np.uint8]:
        """Read the pixels of an image, (H, W, 3) uint8; raises as `read` does."""
        return np.asarray(self.read(sha256))

    def read(self, sha256: str) -> Image.Image:
        """Read an image.

        Raises:
            RunError: If it is missing, or its size is not that of the run's images.
        """
        files = sorted(self.run.store.path(CONDITIONS).glob(f"{sha256}*"))
        if not files:
            raise RunError(
                f"{self.run.root / CONDITIONS} holds no image {sha256[:12]}...; this study needs "
                f"the images and masks that the prompts name: copy them there"
            )
        image = decode_image_file(files[0].read_bytes()).image
        if image.size != self.size:
            raise RunError(
                f"{files[0]} has {image.size[0]} x {image.size[1]} pixels, the run's images "
                f"{self.size[0]} x {self.size[1]}; this study needs them in one size: resize it"
            )
        return image

    def _mask(self, sha256: str) -> Mask:
        """The inpainted region, (H, W) bool."""
        return white(self.read(sha256))


def words_inside(words: Words, mask: Mask, *, confidence: float) -> tuple[str, ...]:
    """Select the words inside a mask.

    Args:
        words: The words read in the image.
        mask: Shape (H, W).
        confidence: Words read with less confidence do not count.

    Example:
        >>> mask = np.zeros((10, 10), dtype=bool)
        >>> mask[:5] = True
        >>> word = {"text": "EXIT", "confidence": 0.9, "box": [[0, 0], [9, 0], [9, 4], [0, 4]]}
        >>> words_inside((word,), mask, confidence=0.3)
        ('EXIT',)
    """
    sure = [word for word in words if word["confidence"] >= confidence]
    boxes = [_filled(word["box"], mask.shape) for word in sure]
    return tuple(
        str(word["text"])
        for word, box in zip(sure, boxes, strict=True)
        if box.any() and mask[box].mean() >= INSIDE
    )


def _filled(corners: Sequence[Sequence[float]], size: tuple[int, ...]) -> Mask:
    canvas = Image.new("1", (size[1], size[0]))
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in corners], fill=1)
    return np.asarray(canvas)


def read_text(
    run: Run, feature_name: str, prompts: Sequence[Prompt]
) -> tuple[NDArray[np.object_], Floats]:
    """Read the words of every cell, and the share of the mask that text covers.

    Args:
        run: The run.
        feature_name: The feature `ocr` as the recipe names it.
        prompts: The prompts.

    Returns:
        Both of shape (S, P), seeds ascending. The words are None where a cell failed. The share
        counts detected text, legible or not; it is NaN where a cell failed or the mask is empty.

    Raises:
        RunError: If cells are missing, or too many failed: see `Cells.sample`.
    """
    needs = [f"{feature_name}.words_count"]
    for number in sorted({prompt.set for prompt in prompts}):
        read_cells(run, needs, sets=[number]).sample(needs)  # refuses missing cells
    row_of = {seed: i for i, seed in enumerate(sorted(run.seeds))}
    column_of = {prompt.id: i for i, prompt in enumerate(prompts)}
    words = np.full((len(row_of), len(column_of)), None, dtype=object)
    shares = np.full(words.shape, np.nan)
    feature = run_feature(run, feature_name)
    folder = feature_folder(run, feature)
    for tile in run.tiles():
        receipt = folder.receipt(tile.id, tile.block)
        if receipt is None or column_of.keys().isdisjoint(tile.prompt_ids):
            continue
        table = folder.read(receipt, ["prompt_id", "seed", *TEXT_COLUMNS])
        columns = (table[name].to_pylist() for name in ("prompt_id", "seed", *TEXT_COLUMNS))
        for prompt, seed, text, share in zip(*columns, strict=True):
            if prompt in column_of and text is not None:
                words[row_of[seed], column_of[prompt]] = _parsed(text)
                shares[row_of[seed], column_of[prompt]] = share
    return words, shares


def _parsed(text: str) -> Words:
    return tuple(json.loads(text)) if text else ()


def read_originals(
    feature: Feature, conditions: ConditionImages, prompts: Sequence[Prompt], *, confidence: float
) -> list[Inside]:
    """Read words in the original images, inside the same masks: the error floor of the reader.

    Args:
        feature: The feature `ocr`; its weights are loaded here.
        conditions: The condition images and masks of the run.
        prompts: One prompt for each pair of image and mask.
        confidence: See `words_inside`.
    """
    feature.setup()
    images = np.stack([conditions.image(str(prompt.image)) for prompt in prompts])
    fields = [{"text": p.text, "object": p.object, "prompt_mask": p.mask} for p in prompts]
    extracted = extract_in_batches(feature, Batch(images, fields))
    columns = (extracted[name] for name in TEXT_COLUMNS)
    masks = [conditions.mask(str(prompt.mask)) for prompt in prompts]
    return [
        Inside(words_inside(_parsed(text), mask, confidence=confidence), float(share))
        for text, share, mask in zip(*columns, masks, strict=True)
    ]
