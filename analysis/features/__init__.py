"""Extract features: numbers of one image.

Features are expensive, so each is computed once and stored under its identity. A new feature is a
file in this folder and a line in `FEATURES`; the contract suite then finds it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from analysis.features.base import CheckpointFeature, Feature
from pipeline.errors import ConfigError
from pipeline.registry import load

__all__ = ["FEATURES", "Feature", "load_feature", "load_features"]

FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "appearance": "analysis.features.appearance:Appearance",
        "clip": "analysis.features.clip:Clip",
        "clip_seedling": "analysis.features.clip:ClipSeedling",
        "dinov2": "analysis.features.dinov2:Dinov2",
        "gram": "analysis.features.gram:Gram",
        "gram_seedling": "analysis.features.gram:GramSeedling",
        "hps": "analysis.features.hps:Hps",
        "inception": "analysis.features.inception:Inception",
        "layout": "analysis.features.layout:Layout",
        "layout_seedling": "analysis.features.layout:LayoutSeedling",
        "ocr": "analysis.features.ocr:Ocr",
        "perceptual": "analysis.features.perceptual:Perceptual",
        "preference_seedling": "analysis.features.hps:PreferenceSeedling",
    }
)
"""Name -> "module:Class"."""


def load_feature(name: str) -> Feature:
    """Make the feature with this name; its weights are not loaded yet.

    Args:
        name: Name of a feature or the dotted path of a user's own class, with "@card" for
            another checkpoint than the default.

    Raises:
        RegistryError: If there is no such feature; the message suggests the nearest name.
        ConfigError: If there is no such card, or the feature takes no card.

    Example:
        >>> load_feature("appearance").name
        'appearance'
    """
    kind, _, card = name.partition("@")
    feature: type[Feature] = load(FEATURES, kind, "feature", base=Feature)
    if not card:
        return feature()
    if not issubclass(feature, CheckpointFeature):
        raise ConfigError(f"feature {kind} takes no card; write {kind!r} instead of {name!r}")
    return feature(card)


def load_features(names: Sequence[str]) -> list[Feature]:
    """Make several features in the given order, each name once."""
    return [load_feature(name) for name in dict.fromkeys(names)]
