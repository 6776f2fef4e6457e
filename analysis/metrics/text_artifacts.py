"""Share of images with legible text in them. An artifact where the prompt asks for no text."""

from typing import ClassVar

from analysis.metrics.base import ShareMetric


class TextArtifactRate(ShareMetric):
    """How often an optical reader finds at least one legible word.

    Legible is a word whose confidence, in an image of which text covers a share, both reach
    the bounds of the feature's card: 0.3 and 0.001 where it states none. The reader misses
    words and sees some in pictures without any, so seeds are compared with each other and with
    the reader's own rate on pictures known to have no words, never with 0.
    """

    name: ClassVar[str] = "text_artifact_rate"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("ocr.legible",)
    method: ClassVar[str] = (
        "share of images with at least one word of the bounds in the card of `ocr` (confidence "
        "0.3, text on 0.001 of the image where it states none)"
    )
