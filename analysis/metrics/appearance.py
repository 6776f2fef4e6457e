"""Average the columns of the `appearance` feature. None of these metrics has a better end."""

from typing import ClassVar

from analysis.metrics.base import MeanMetric


class Brightness(MeanMetric):
    """Mean luma of a seed's images."""

    name: ClassVar[str] = "brightness"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = None
    needs: ClassVar[tuple[str, ...]] = ("appearance.brightness",)


class Contrast(MeanMetric):
    """Mean RMS contrast of a seed's images."""

    name: ClassVar[str] = "contrast"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = None
    needs: ClassVar[tuple[str, ...]] = ("appearance.contrast",)


class Colourfulness(MeanMetric):
    """Mean colourfulness of a seed's images."""

    name: ClassVar[str] = "colourfulness"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "Hasler-Suesstrunk M"
    higher_is_better: ClassVar[bool | None] = None
    needs: ClassVar[tuple[str, ...]] = ("appearance.colourfulness",)


class Saturation(MeanMetric):
    """Mean HSV saturation of a seed's images."""

    name: ClassVar[str] = "saturation"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = None
    needs: ClassVar[tuple[str, ...]] = ("appearance.saturation",)


class BorderScore(MeanMetric):
    """Mean border score of a seed's images."""

    name: ClassVar[str] = "border_score"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = None
    needs: ClassVar[tuple[str, ...]] = ("appearance.border_score",)


class SkyScore(MeanMetric):
    """Mean sky score of a seed's images."""

    name: ClassVar[str] = "sky_score"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = None
    needs: ClassVar[tuple[str, ...]] = ("appearance.sky_score",)
