"""Writing inside the part of a picture that was drawn anew: what was read, where, and before."""

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
"""A word is in the mask when this share of its box is."""
TEXT_COLUMNS = ("words", "mask_text_share")
"""What is read of the feature `ocr`."""


@dataclass(frozen=True)
class Inside:
    """What was read inside a mask.

    Attributes:
        texts: The words that lie in it.
        share: Share of the mask that detected text covers, legible or not.
    """

    texts: tuple[str, ...]
    share: float


class Pictures:
    """The pictures and masks that a run's prompts name.

    Args:
        run: The run.

    Raises:
        RunError: If no prompt of it names a picture and a mask.
    """

    def __init__(self, run: Run) -> None:
        if not any(prompt.mask for prompt in run.prompts.values()):
            raise RunError(
                f"no prompt of {run.root} brings a picture and a mask; this study needs them: "
                f"`goldenseed prompts pairs` makes such prompts from a folder, and a card that "
                f"inpaints draws them"
            )
        self.run = run
        self.size = (run.config.width, run.config.height)
        self.mask = lru_cache(None)(self._mask)

    def image(self, sha256: str) -> NDArray[np.uint8]:
        """The picture's pixels, (H, W, 3) uint8; raises as `picture`."""
        return np.asarray(self.picture(sha256))

    def picture(self, sha256: str) -> Image.Image:
        """The picture.

        Raises:
            RunError: If it is not there, or of another size than the run's images.
        """
        found = sorted(self.run.store.path(CONDITIONS).glob(f"{sha256}*"))
        if not found:
            raise RunError(
                f"{self.run.root / CONDITIONS} holds no picture {sha256[:12]}...; this study "
                f"needs the pictures and masks that the prompts name"
            )
        image = decode_image_file(found[0].read_bytes()).image
        if image.size != self.size:
            raise RunError(
                f"{found[0]} has {image.size[0]} x {image.size[1]} pixels, the run's images "
                f"{self.size[0]} x {self.size[1]}; this study needs them in one size"
            )
        return image

    def _mask(self, sha256: str) -> Mask:
        """Where the picture was drawn anew, (H, W) bool."""
        return white(self.picture(sha256))


def words_inside(words: Words, mask: Mask, *, confidence: float) -> tuple[str, ...]:
    """Which of the words lie in a mask.

    Args:
        words: What was read in the picture.
        mask: Shape (H, W).
        confidence: Words read with less do not count.

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
    """The words of every cell of some prompts, and the share of the mask that text covers.

    Args:
        run: The run.
        feature_name: The feature `ocr` as the recipe names it.
        prompts: The prompts.

    Returns:
        Both of shape (S, P), seeds ascending. Words: None where a cell failed. Share: text
        that was detected, legible or not; NaN where a cell failed or the mask is empty.

    Raises:
        RunError: If cells are missing, or too many failed: see `Cells.sample`.
    """
    needs = [f"{feature_name}.words_count"]
    for number in sorted({prompt.set for prompt in prompts}):
        read_cells(run, needs, sets=[number]).sample(needs)  # refuses
    rows = {seed: i for i, seed in enumerate(sorted(run.seeds))}
    places = {prompt.id: i for i, prompt in enumerate(prompts)}
    found = np.full((len(rows), len(places)), None, dtype=object)
    shares = np.full(found.shape, np.nan)
    feature = run_feature(run, feature_name)
    folder = feature_folder(run, feature)
    for tile in run.tiles():
        receipt = folder.receipt(tile.id, tile.block)
        if receipt is None or places.keys().isdisjoint(tile.prompt_ids):
            continue
        table = folder.read(receipt, ["prompt_id", "seed", *TEXT_COLUMNS])
        columns = (table[name].to_pylist() for name in ("prompt_id", "seed", *TEXT_COLUMNS))
        for prompt, seed, text, share in zip(*columns, strict=True):
            if prompt in places and text is not None:
                found[rows[seed], places[prompt]] = _parsed(text)
                shares[rows[seed], places[prompt]] = share
    return found, shares


def _parsed(text: str) -> Words:
    return tuple(json.loads(text)) if text else ()


def read_originals(
    feature: Feature, pictures: Pictures, prompts: Sequence[Prompt], *, confidence: float
) -> list[Inside]:
    """What the reader finds in the pictures as they were, inside the same masks: its floor.

    Args:
        feature: The feature `ocr`; its weights are loaded here.
        pictures: The run's.
        prompts: One for each pair of image and mask.
        confidence: See `words_inside`.
    """
    feature.setup()
    images = np.stack([pictures.image(str(prompt.image)) for prompt in prompts])
    fields = [{"text": p.text, "object": p.object, "prompt_mask": p.mask} for p in prompts]
    found = extract_in_batches(feature, Batch(images, fields))
    columns = (found[name] for name in TEXT_COLUMNS)
    masks = [pictures.mask(str(prompt.mask)) for prompt in prompts]
    return [
        Inside(words_inside(_parsed(text), mask, confidence=confidence), float(share))
        for text, share, mask in zip(*columns, masks, strict=True)
    ]
