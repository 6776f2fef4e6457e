"""Average the preference scores of a seed's images: HPS v2.0, HPS v2.1 or the seedling's.

The three scores are not comparable.
"""

from typing import ClassVar

from analysis.metrics.base import MeanMetric


class HpsV20(MeanMetric):
    """Mean HPS v2.0, a cosine. Publications multiply it by 100."""

    name: ClassVar[str] = "hps_v2_0"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    judges_images: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("hps@hps-v2.0.score_v2_0",)


class HpsV21(MeanMetric):
    """Mean HPS v2.1, a cosine. Publications multiply it by 100."""

    name: ClassVar[str] = "hps_v2_1"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    judges_images: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("hps@hps-v2.1.score_v2_1",)


class PreferenceSeedling(MeanMetric):
    """Mean score of the seedling's preference network, a cosine.

    The network was not trained on human choices.
    """

    name: ClassVar[str] = "preference_seedling"
    small_world: ClassVar[bool] = True
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    judges_images: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("preference_seedling.score_v1",)
