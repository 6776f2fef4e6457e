"""How well a seed's images fit their prompts, by CLIP."""

from typing import ClassVar

from analysis.metrics.base import MeanMetric


class ClipScore(MeanMetric):
    """Mean cosine of image and prompt under CLIP, -1 to 1.

    Nothing is scaled or clipped: torchmetrics' CLIPScore is 100 times the cosine and at least
    0, that of its paper 2.5 times it, at least 0, with "A photo depicts" before every text.

    Source:
        Hessel et al. 2021, arXiv:2104.08718.
    """

    name: ClassVar[str] = "clip_score"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("clip.similarity",)


class ClipSeedling(ClipScore):
    """The same under the shipped small network: comparable with nobody's CLIP score."""

    name: ClassVar[str] = "clip_seedling"
    needs: ClassVar[tuple[str, ...]] = ("clip_seedling.similarity",)
