"""Metrics: one value per seed, made from features. Cheap, so they are always recomputed.

A new metric is a class here and a line in the table; the contract suite finds it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from analysis.metrics.base import Metric
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


def load_metric(name: str) -> Metric:
    """Make the metric of this name, or of a user's own dotted path.

    Args:
        name: "metric", or "metric@card" where its feature uses another than its default
            checkpoint.

    Raises:
        RegistryError: If there is none; the message names the nearest.

    Example:
        >>> load_metric("brightness").unit
        'fraction'
    """
    own, _, card = name.partition("@")
    metric: Metric = load(METRICS, own, "metric", base=Metric)()
    return metric.with_card(card) if card else metric
