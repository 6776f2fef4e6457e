"""Compute metrics: one value per seed, from the features of its images.

Metrics are cheap, so they are always recomputed. A new metric is a class in this folder and a
line in `METRICS`; the contract suite then finds it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from analysis.metrics.base import Metric
from pipeline.cards.card import Card
from pipeline.errors import ConfigError
from pipeline.registry import load

__all__ = ["METRICS", "Metric", "load_metric"]

METRICS: Mapping[str, str] = MappingProxyType(
    {
        "border_score": "analysis.metrics.appearance:BorderScore",
        "brightness": "analysis.metrics.appearance:Brightness",
        "clip_score": "analysis.metrics.clip:ClipScore",
        "clip_seedling": "analysis.metrics.clip:ClipSeedling",
        "colourfulness": "analysis.metrics.appearance:Colourfulness",
        "contrast": "analysis.metrics.appearance:Contrast",
        "failure_rate": "analysis.metrics.failure_rate:FailureRate",
        "fd_dinov2": "analysis.metrics.frechet:FdDinov2",
        "fid": "analysis.metrics.frechet:Fid",
        "frechet_perceptual": "analysis.metrics.frechet:FrechetPerceptual",
        "hps_v2_0": "analysis.metrics.hps:HpsV20",
        "hps_v2_1": "analysis.metrics.hps:HpsV21",
        "kid": "analysis.metrics.kid:Kid",
        "kid_perceptual": "analysis.metrics.kid:KidPerceptual",
        "layout_depth": "analysis.metrics.layout:LayoutDepth",
        "layout_depth_seedling": "analysis.metrics.layout:LayoutDepthSeedling",
        "layout_size": "analysis.metrics.layout:LayoutSize",
        "layout_size_seedling": "analysis.metrics.layout:LayoutSizeSeedling",
        "layout_x": "analysis.metrics.layout:LayoutX",
        "layout_x_seedling": "analysis.metrics.layout:LayoutXSeedling",
        "layout_y": "analysis.metrics.layout:LayoutY",
        "layout_y_seedling": "analysis.metrics.layout:LayoutYSeedling",
        "object_found_rate": "analysis.metrics.layout:ObjectFoundRate",
        "object_found_rate_seedling": "analysis.metrics.layout:ObjectFoundRateSeedling",
        "preference_seedling": "analysis.metrics.hps:PreferenceSeedling",
        "saturation": "analysis.metrics.appearance:Saturation",
        "sky_score": "analysis.metrics.appearance:SkyScore",
        "text_artifact_rate": "analysis.metrics.text_artifacts:TextArtifactRate",
    }
)
"""Name -> "module:Class"."""


def load_metric(name: str, *, model: Card | None = None) -> Metric:
    """Make the metric with this name.

    Args:
        name: Name of a metric or the dotted path of a user's own class, with "@card" for another
            checkpoint than the default of its feature.
        model: The card of the model whose images the metric is to value; if None, of any model.

    Raises:
        ConfigError: If the metric knows only the small world and the model draws another. A metric
            with a card of the user's own knows what the user chose.
        RegistryError: If there is no such metric; the message suggests the nearest name.

    Example:
        >>> load_metric("brightness").unit
        'fraction'
    """
    kind, _, card = name.partition("@")
    metric: Metric = load(METRICS, kind, "metric", base=Metric)()
    if model and metric.small_world and not card and not model.demonstration:
        raise ConfigError(
            f"metric {name} knows only the small world that the seedling models draw, and card "
            f"{model.name} is of another model: its numbers would mean nothing. Take a metric that "
            f"knows photographs, such as clip_score, hps_v2_1 or fid, or leave it out; if the "
            f"model does draw the small world, write `demonstration: true` in its card"
        )
    return metric.with_card(card) if card else metric
