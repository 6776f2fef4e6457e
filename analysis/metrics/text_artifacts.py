"""Measure how many images contain legible text: an artifact if the prompt asks for no text."""

from typing import ClassVar

from analysis.metrics.base import ShareMetric


class TextArtifactRate(ShareMetric):
    """How often an optical reader finds at least one legible word.

    A word is legible if its confidence, and the share of the image that text covers, reach the
    bounds in the card of the feature (0.3 and 0.001 by default). The reader misses words and
    sees words where there are none. Compare seeds with each other, and with the rate on images
    known to contain no words, but not with 0.
    """

    name: ClassVar[str] = "text_artifact_rate"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("ocr.legible",)
    method: ClassVar[str] = (
        "share of images with at least one word of the bounds in the card of `ocr` (confidence "
        "0.3, text on 0.001 of the image where it states none)"
    )
