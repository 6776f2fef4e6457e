"""Average the Human Preference Score v2 of a seed's images, and the score of a small network.

Scores of version 2.0, of version 2.1 and of the small network are not comparable.
"""

from typing import ClassVar

from analysis.metrics.base import MeanMetric


class HpsV20(MeanMetric):
    """Mean HPS v2.0, a cosine. Publications multiply it by 100."""

    name: ClassVar[str] = "hps_v2_0"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("hps@hps-v2.0.score_v2_0",)


class HpsV21(MeanMetric):
    """Mean HPS v2.1, a cosine. Publications multiply it by 100."""

    name: ClassVar[str] = "hps_v2_1"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("hps@hps-v2.1.score_v2_1",)


class PreferenceSeedling(MeanMetric):
    """Mean score of the shipped small network, a cosine. It did not learn from human choices."""

    name: ClassVar[str] = "preference_seedling"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("preference_seedling.score_v1",)
