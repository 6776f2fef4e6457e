"""Measure how well a seed's images fit their prompts, by CLIP."""

from typing import ClassVar

from analysis.metrics.base import MeanMetric


class ClipScore(MeanMetric):
    """Mean cosine of image and prompt under CLIP, -1 to 1.

    The cosine is neither scaled nor clipped. The CLIPScore of torchmetrics is 100 times the
    cosine, clipped at 0; that of the paper is 2.5 times the cosine, clipped at 0, with "A photo
    depicts" before each text.

    Source:
        Hessel et al. 2021, arXiv:2104.08718.
    """

    name: ClassVar[str] = "clip_score"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    judges_images: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("clip.similarity",)


class ClipSeedling(ClipScore):
    """`ClipScore` of the shipped small network; not comparable with any other CLIP score."""

    name: ClassVar[str] = "clip_seedling"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("clip_seedling.similarity",)
