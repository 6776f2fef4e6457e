"""Extract `ocr`: the words in an image, as EasyOCR reads them, and the share that text covers.

The networks, their thresholds and each step from pixels to words are those of EasyOCR
(https://github.com/JaidedAI/EasyOCR, Apache-2.0), in float32: a detector, CRAFT (Baek et al.
2019, "Character Region Awareness for Text Detection"), and a recogniser, a CRNN (Shi et al.
2015). Only the order of calls differs. The detector sees one image at a time, so that the boxes
of an image do not depend on the other images of its batch. The crops of all images then go
through the recogniser together, grouped by the width to which EasyOCR pads them, instead of in
one call per box. Texts and boxes equal those of `Reader.readtext` of the same RGB array without
quantisation.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from analysis.features.base import Batch, Columns
from analysis.features.cards import find_weights
from analysis.features.networks import NetworkFeature, device_of, read_options
from analysis.features.ocr_pages import (
    HEIGHT,
    Crop,
    Mask,
    Page,
    buckets,
    enlarged,
    read_mask,
    text_shares,
)
from pipeline.cards.tensor_files import read_tensors
from pipeline.errors import ConfigError, ModelError
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column

CRAFT, RECOGNISER = "craft_mlt_25k.pth", "english_g2.pth"
GROUPING = (0.1, 0.5, 0.5, 0.5, 0.1)
"""Defaults of `readtext`: slope_ths, ycenter_ths, height_ths, width_ths, add_margin."""
LOW_CONTRAST, CONTRAST = 0.1, 0.5
"""contrast_ths and adjust_contrast of `readtext`. A crop read with less confidence than the first
number is read again with its contrast raised to the second; the better reading is kept."""
RANGES = {
    **dict.fromkeys(("text_threshold", "low_text", "link_threshold"), (0, 1)),
    **dict.fromkeys(("legible_confidence", "legible_share"), (0, 1)),
    **dict.fromkeys(("scale", "mag_ratio"), (1, math.inf)),
    "min_size": (0, math.inf),
    "canvas_size": (32, math.inf),  # stride of the detector
}
"""Smallest and largest value of each setting."""


@dataclass(frozen=True)
class Settings:
    """Settings that the options of a card may change.

    All but `scale`, the two for legibility and `gpu` are arguments of `readtext`.

    Attributes:
        scale: Factor by which an image is enlarged (bicubic) before it is read.
        text_threshold: Lowest confidence of the detector in a text.
        low_text: Lower bound for the region of a text.
        link_threshold: Lowest confidence in a link between letters.
        min_size: Longer side of a box that is read, at least, in pixels of the enlarged image.
        canvas_size: Longest side that the detector sees.
        mag_ratio: Factor by which the detector itself enlarges an image.
        legible_confidence: Confidence from which a word counts as legible.
        legible_share: Share of the image that text must cover for a word to count as legible.
        gpu: Whether both networks run on a GPU.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> Settings(scale=2).text_threshold
        0.7
    """

    scale: int = 1
    text_threshold: float = 0.7
    low_text: float = 0.4
    link_threshold: float = 0.4
    min_size: int = 20
    canvas_size: int = 2560
    mag_ratio: float = 1.0
    legible_confidence: float = 0.3
    legible_share: float = 0.001
    gpu: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"card of ocr: {name} is {value}; {low} to {high} is needed")


@dataclass(frozen=True)
class Word:
    """A text in an image.

    Attributes:
        text: The text as it was read.
        confidence: Confidence of EasyOCR, 0..1.
        box: Four corners (x, y) in pixels, clockwise from the top left.
    """

    text: str
    confidence: float
    box: tuple[tuple[float, float], ...]


class Ocr(NetworkFeature):
    """Words, and the share of the image that text covers, legible or not.

    EasyOCR reads text that is about level. It finds text that is turned by 90, 180 or 270 degrees,
    so `text_share` counts it, but reads other words than are there, or none; so `legible` may be
    0 or 1 for such text.
    """

    name: ClassVar[str] = "ocr"
    code_version: ClassVar[int] = 3
    limits: ClassVar[str] = (
        "text that is turned by 90, 180 or 270 degrees is found and not read: its words are wrong "
        "or missing"
    )
    default_card: ClassVar[str] = "easyocr-english"

    def __init__(self, card: str = "") -> None:
        super().__init__(card)
        self.settings = read_options(Settings, self.card)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The words as JSON, and four numbers."""
        kind, least = pa.float32(), self.settings.legible_confidence
        text = 'JSON list of {"text", "confidence", "box": four corners x, y in pixels}.'
        mask = "Share of the white part of the prompt's mask that text covers; NaN without one."
        legible = (
            f"1 where a word has a confidence of at least {least:g} and text covers at least "
            f"{self.settings.legible_share:g} of the image, else 0."
        )
        return (
            Column("words", pa.string(), text),
            Column("words_count", kind, "Words that were read, with any confidence.", "words"),
            Column("legible", kind, legible, "0 or 1"),
            Column("text_share", kind, "Share of the image that detected text covers.", "0..1"),
            Column("mask_text_share", kind, mask, "0..1", may_be_nan=True),
        )

    @property
    def parameters(self) -> Mapping[str, object]:
        """All settings, including those that the card does not change, and the precision."""
        return {**asdict(self.settings), **self.precision}

    def setup(self) -> None:
        """Load both networks.

        Raises:
            ModelError: If weights are missing, differ from what the card pins, or are not pinned.
        """
        import torch
        from easyocr.config import recognition_models
        from easyocr.craft import CRAFT as Detector
        from easyocr.model.vgg_model import Model
        from easyocr.utils import CTCLabelConverter

        self._require_pins()
        folder = find_weights(self.card)
        self._device = device_of(self.card)
        letters = recognition_models["gen2"]["english_g2"]["characters"]
        self._converter = CTCLabelConverter(letters)
        with torch.device("meta"):  # draws no random weights
            detector: Any = Detector()
            recogniser: Any = Model(1, 256, 256, len(letters) + 1)
        for network, name in ((detector, CRAFT), (recogniser, RECOGNISER)):
            weights = read_tensors(folder / name)
            named = {key.removeprefix("module."): value for key, value in weights.items()}
            network.load_state_dict(named, assign=True)
        self._detector = detector.to(self._device).eval()
        # With channels last, many crops at once take two thirds of the time on a CPU.
        recogniser = recogniser.to(self._device, memory_format=torch.channels_last)
        self._recogniser = recogniser.eval()

    def _require_pins(self) -> None:
        unpinned = [name for name in (CRAFT, RECOGNISER) if name not in self.card.files]
        if unpinned:
            raise ModelError(
                f"the card of ocr pins no sha256 of {' and '.join(unpinned)}, and a pickle can run "
                f"any code: state under `files` the sha256 of the file that you trust"
            )

    def extract(self, batch: Batch) -> Columns:
        """Read a batch; see `Feature.extract`."""
        pages = [self.detect(image) for image in batch.images]
        crops = [crop for i, page in enumerate(pages) for crop in page.crops(i)]
        texts: list[list[Word]] = [[] for _ in pages]
        for image, word in self.recognise(crops):
            texts[image].append(word)
        size = (batch.images.shape[1], batch.images.shape[2])
        masks = [self._mask(prompt, size) for prompt in batch.prompts]
        shares = [
            text_shares(page.regions, page.grey.shape, mask)
            for page, mask in zip(pages, masks, strict=True)
        ]
        settings = self.settings
        legible = [
            any(word.confidence >= settings.legible_confidence for word in words)
            and share >= settings.legible_share
            for words, (share, _) in zip(texts, shares, strict=True)
        ]
        return {
            "words": np.array([_json(words, settings.scale) for words in texts], dtype=object),
            "words_count": np.array([len(words) for words in texts], dtype=np.float32),
            "legible": np.array(legible, dtype=np.float32),
            "text_share": np.array([share for share, _ in shares], dtype=np.float32),
            "mask_text_share": np.array([share for _, share in shares], dtype=np.float32),
        }

    def _mask(self, prompt: Mapping[str, object], size: tuple[int, int]) -> Mask | None:
        """Return the mask of the prompt, enlarged like the image; None if there is no mask."""
        sha256, scale = prompt.get("prompt_mask"), self.settings.scale
        if self.conditions is None or not sha256:
            return None
        mask = read_mask(self.conditions, str(sha256), size)
        return None if mask is None else mask.repeat(scale, axis=0).repeat(scale, axis=1)

    def detect(self, image: Uint8Images) -> Page:
        """Find the text of one image, as EasyOCR's `Reader.detect` does.

        Args:
            image: Shape (H, W, 3), RGB, uint8.
        """
        from easyocr.detection import get_textbox
        from easyocr.utils import group_text_box, reformat_input

        settings = self.settings
        pixels, grey = reformat_input(enlarged(image, settings.scale))
        [regions] = get_textbox(
            self._detector,
            pixels,
            settings.canvas_size,
            settings.mag_ratio,
            settings.text_threshold,
            settings.link_threshold,
            settings.low_text,
            poly=False,
            device=self._device,
        )
        level, free = group_text_box(regions, *GROUPING)
        level = [b for b in level if max(b[1] - b[0], b[3] - b[2]) > settings.min_size]
        free = [b for b in free if np.ptp(np.asarray(b), axis=0).max() > settings.min_size]
        return Page(grey, [region.reshape(4, 2) for region in regions], level, free)

    def recognise(self, crops: Sequence[Crop]) -> list[tuple[int, Word]]:
        """Read crops of any images, as EasyOCR's `Reader.recognize` does, with fewer calls.

        Returns:
            (image, word) of each crop, in the order of the crops.
        """
        readings = self._read(crops, contrast=0.0)
        unsure = [i for i, (_, confidence) in enumerate(readings) if confidence < LOW_CONTRAST]
        again = self._read([crops[i] for i in unsure], contrast=CONTRAST)
        for i, second in zip(unsure, again, strict=True):
            readings[i] = readings[i] if readings[i][1] > second[1] else second
        return [
            (crop.image, Word(text, confidence, tuple((float(x), float(y)) for x, y in crop.box)))
            for crop, (text, confidence) in zip(crops, readings, strict=True)
        ]

    def _read(self, crops: Sequence[Crop], *, contrast: float) -> list[tuple[str, float]]:
        """Read text and confidence of each crop, in calls of equal width."""
        from easyocr.recognition import AlignCollate, recognizer_predict
        from PIL import Image

        readings: list[tuple[str, float]] = [("", 0.0)] * len(crops)
        for width, indices in buckets(crops):
            collate = AlignCollate(HEIGHT, width, adjust_contrast=contrast)
            tensors = collate([Image.fromarray(crops[i].pixels) for i in indices])
            predictions = recognizer_predict(
                self._recogniser,
                self._converter,
                [tensors],
                width // 10,
                ignore_idx=[],  # english_g2 has only letters of English
                char_group_idx={},
                device=self._device,
            )
            for i, (text, confidence) in zip(indices, predictions, strict=True):
                readings[i] = (text, float(confidence))
        return readings


def _json(words: Sequence[Word], scale: int) -> str:
    """Write the words of an image; boxes in its own pixels, confidence to four digits."""
    return json.dumps(
        [
            {
                "text": word.text,
                "confidence": round(word.confidence, 4),
                "box": [[round(x / scale, 2), round(y / scale, 2)] for x, y in word.box],
            }
            for word in words
        ],
        ensure_ascii=False,
    )
