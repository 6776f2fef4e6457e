"""Features: numbers of one image. Costly, so they are stored once and under a full identity.

A new feature is a file here and a line in the table; the contract suite finds it.
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
    """Make the feature of this name, or of a user's own dotted path; nothing is loaded yet.

    Args:
        name: "feature", or "feature@card" for another checkpoint than the feature's default.

    Raises:
        RegistryError: If there is none; the message names the nearest.
        ConfigError: If there is no such card, or the feature takes none.

    Example:
        >>> load_feature("appearance").name
        'appearance'
    """
    own, _, card = name.partition("@")
    made: type[Feature] = load(FEATURES, own, "feature", base=Feature)
    if not card:
        return made()
    if not issubclass(made, CheckpointFeature):
        raise ConfigError(f"feature {own} takes no card; write {own!r} instead of {name!r}")
    return made(card)


def load_features(names: Sequence[str]) -> list[Feature]:
    """Make several features, each name once, in the order given."""
    return [load_feature(name) for name in dict.fromkeys(names)]
