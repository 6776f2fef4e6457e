"""Means of what the shipped small networks say; a demonstration, comparable with nothing else."""

from typing import ClassVar

from analysis.metrics.base import MeanMetric


class ClipSeedlingScore(MeanMetric):
    """Mean cosine of image and prompt under the shipped CLIP."""

    name: ClassVar[str] = "clip_seedling"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("clip_seedling.similarity",)


class PreferenceSeedlingScore(MeanMetric):
    """Mean score of the shipped preference model, a cosine."""

    name: ClassVar[str] = "preference_seedling"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("preference_seedling.score_v1",)
