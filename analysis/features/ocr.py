"""`ocr`: the words in a picture, as EasyOCR reads them, and how much of it text covers.

The networks, their thresholds and every step from pixels to words are EasyOCR's
(https://github.com/JaidedAI/EasyOCR, Apache-2.0), in float32: a detector, CRAFT (Baek et al.
2019, "Character Region Awareness for Text Detection"), and a recogniser, a CRNN (Shi et al.
2015). What is ours is the order: the detector sees one picture at a time, so that a picture's
boxes never hang on its company; then the crops of all pictures go through the recogniser together,
sorted by the width to which EasyOCR would pad them, instead of one call for each box. Texts and
boxes are those of `Reader.readtext` of the same RGB array without quantisation.
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
"""`readtext`'s defaults: slope_ths, ycenter_ths, height_ths, width_ths, add_margin."""
LOW_CONTRAST, CONTRAST = 0.1, 0.5
"""`readtext`'s contrast_ths and adjust_contrast: what is read with less confidence than the
first is read again with the contrast raised to the second, and the better one is kept."""
RANGES = {
    **dict.fromkeys(("text_threshold", "low_text", "link_threshold"), (0, 1)),
    **dict.fromkeys(("legible_confidence", "legible_share"), (0, 1)),
    **dict.fromkeys(("scale", "mag_ratio"), (1, math.inf)),
    "min_size": (0, math.inf),
    "canvas_size": (32, math.inf),  # the detector's stride
}
"""Least and largest value of each setting."""


@dataclass(frozen=True)
class Settings:
    """What a card's options may set; all but the first and the last three are `readtext`'s own.

    Attributes:
        scale: How many times a picture is enlarged (bicubic) before it is read.
        text_threshold: Least confidence of the detector in a text.
        low_text: Bound of a text's region.
        link_threshold: Least confidence in a link between letters.
        min_size: Least longer side of a box that is read, in pixels of the enlarged picture.
        canvas_size: Longest side that the detector sees.
        mag_ratio: How many times the detector enlarges on its own.
        legible_confidence: A word counts as legible from this confidence on ...
        legible_share: ... in a picture of which text covers at least this share.
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
        """Refuse what can never work."""
        for name, (least, most) in RANGES.items():
            found = getattr(self, name)
            if not least <= found <= most:
                raise ConfigError(f"card of ocr: {name} is {found}; {least} to {most} is needed")


@dataclass(frozen=True)
class Word:
    """One text.

    Attributes:
        text: As it was read.
        confidence: EasyOCR's, 0..1.
        box: Its four corners (x, y) in pixels, from the top left on clockwise.
    """

    text: str
    confidence: float
    box: tuple[tuple[float, float], ...]


class Ocr(NetworkFeature):
    """Words, and the share of the picture that text covers, legible or not."""

    name: ClassVar[str] = "ocr"
    code_version: ClassVar[int] = 3
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
            f"{self.settings.legible_share:g} of the picture, else 0."
        )
        return (
            Column("words", pa.string(), text),
            Column("words_count", kind, "Words that were read, with whatever confidence.", "words"),
            Column("legible", kind, legible, "0 or 1"),
            Column("text_share", kind, "Share of the picture that detected text covers.", "0..1"),
            Column("mask_text_share", kind, mask, "0..1", may_be_nan=True),
        )

    @property
    def parameters(self) -> Mapping[str, object]:
        """All settings, those that the card leaves alone too, and the device."""
        return {**asdict(self.settings), **self.precision}

    def setup(self) -> None:
        """Load both networks.

        Raises:
            ModelError: If the weights are missing or are not those that the card pins, or the
                card does not pin both.
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
        with torch.device("meta"):  # nothing is drawn from any random stream
            detector: Any = Detector()
            recogniser: Any = Model(1, 256, 256, len(letters) + 1)
        for network, name in ((detector, CRAFT), (recogniser, RECOGNISER)):
            weights = read_tensors(folder / name)
            named = {key.removeprefix("module."): value for key, value in weights.items()}
            network.load_state_dict(named, assign=True)
        self._detector = detector.to(self._device).eval()
        # Channels last: on a CPU many crops at once then take two thirds of the time.
        recogniser = recogniser.to(self._device, memory_format=torch.channels_last)
        self._recogniser = recogniser.eval()

    def _require_pins(self) -> None:
        unpinned = [name for name in (CRAFT, RECOGNISER) if name not in self.card.files]
        if unpinned:
            raise ModelError(
                f"the card of ocr pins no sha256 of {' and '.join(unpinned)}, and a pickle can run "
                f"any code: state under `files` that of the file that you trust"
            )

    def extract(self, batch: Batch) -> Columns:
        """Read a batch; see `Feature.extract`."""
        pages = [self.detect(image) for image in batch.images]
        words = self.recognise([crop for i, page in enumerate(pages) for crop in page.crops(i)])
        size = (batch.images.shape[1], batch.images.shape[2])
        masks = [self._mask(prompt, size) for prompt in batch.prompts]
        shares = [
            text_shares(page.regions, page.grey.shape, mask)
            for page, mask in zip(pages, masks, strict=True)
        ]
        found = [[word for place, word in words if place == i] for i in range(len(pages))]
        least = self.settings
        legible = [
            any(word.confidence >= least.legible_confidence for word in own)
            and share[0] >= least.legible_share
            for own, share in zip(found, shares, strict=True)
        ]
        return {
            "words": np.array([_json(own, least.scale) for own in found], dtype=object),
            "words_count": np.array([len(own) for own in found], dtype=np.float32),
            "legible": np.array(legible, dtype=np.float32),
            "text_share": np.array([share for share, _ in shares], dtype=np.float32),
            "mask_text_share": np.array([share for _, share in shares], dtype=np.float32),
        }

    def _mask(self, prompt: Mapping[str, object], size: tuple[int, int]) -> Mask | None:
        """The prompt's mask, enlarged as the picture is; None where there is none at hand."""
        sha256, scale = prompt.get("prompt_mask"), self.settings.scale
        if self.conditions is None or not sha256:
            return None
        mask = read_mask(self.conditions, str(sha256), size)
        return None if mask is None else mask.repeat(scale, axis=0).repeat(scale, axis=1)

    def detect(self, image: Uint8Images) -> Page:
        """Find the text of one picture; EasyOCR's `Reader.detect`.

        Args:
            image: Shape (H, W, 3), RGB, uint8.
        """
        from easyocr.detection import get_textbox
        from easyocr.utils import group_text_box, reformat_input

        own = self.settings
        pixels, grey = reformat_input(enlarged(image, own.scale))
        [regions] = get_textbox(
            self._detector,
            pixels,
            own.canvas_size,
            own.mag_ratio,
            own.text_threshold,
            own.link_threshold,
            own.low_text,
            poly=False,
            device=self._device,
        )
        level, free = group_text_box(regions, *GROUPING)
        level = [b for b in level if max(b[1] - b[0], b[3] - b[2]) > own.min_size]
        free = [b for b in free if np.ptp(np.asarray(b), axis=0).max() > own.min_size]
        return Page(grey, [region.reshape(4, 2) for region in regions], level, free)

    def recognise(self, crops: Sequence[Crop]) -> list[tuple[int, Word]]:
        """Read crops of any pictures; EasyOCR's `Reader.recognize` with fewer calls.

        Returns:
            (picture, word) of each crop, in the order of the crops.
        """
        best = self._read(crops, contrast=0.0)
        low = [place for place, (_, sure) in enumerate(best) if sure < LOW_CONTRAST]
        for place, second in zip(
            low, self._read([crops[i] for i in low], contrast=CONTRAST), strict=True
        ):
            best[place] = best[place] if best[place][1] > second[1] else second
        return [
            (crop.picture, Word(text, sure, tuple((float(x), float(y)) for x, y in crop.box)))
            for crop, (text, sure) in zip(crops, best, strict=True)
        ]

    def _read(self, crops: Sequence[Crop], *, contrast: float) -> list[tuple[str, float]]:
        """Text and confidence of each crop, in calls of equal width."""
        from easyocr.recognition import AlignCollate, recognizer_predict
        from PIL import Image

        found: list[tuple[str, float]] = [("", 0.0)] * len(crops)
        for width, places in buckets(crops):
            collate = AlignCollate(HEIGHT, width, adjust_contrast=contrast)
            tensors = collate([Image.fromarray(crops[place].pixels) for place in places])
            read = recognizer_predict(
                self._recogniser,
                self._converter,
                [tensors],
                width // 10,
                ignore_idx=[],  # english_g2 has no letter that English lacks
                char_group_idx={},
                device=self._device,
            )
            for place, (text, sure) in zip(places, read, strict=True):
                found[place] = (text, float(sure))
        return found


def _json(words: Sequence[Word], scale: int) -> str:
    """The words of one picture; boxes in its own pixels, confidence to four digits."""
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
