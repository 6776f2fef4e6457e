"""The measures of picture and prompt, and of layout, by the small networks that are shipped.

They are of the same classes as the published ones and know nothing but the project's own small
world: a demonstration that needs no download, under names of its own, comparable with nothing else.
"""

from typing import ClassVar

from analysis.features.clip import Clip
from analysis.features.hps import Hps
from analysis.features.layout import Layout


class ClipSeedling(Clip):
    """`clip` of the shipped network that tells the sentences of the small world apart."""

    name: ClassVar[str] = "clip_seedling"
    default_card: ClassVar[str] = "clip-seedling"


class PreferenceSeedling(Hps):
    """`hps` of the shipped network that was trained on pairs of which one is better."""

    name: ClassVar[str] = "preference_seedling"
    default_card: ClassVar[str] = "preference-seedling"


class LayoutSeedling(Layout):
    """`layout` of the shipped segmenter and the shipped depth network."""

    name: ClassVar[str] = "layout_seedling"
    default_card: ClassVar[str] = "segmenter-seedling"
