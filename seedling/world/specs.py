"""What defines a scene, before anything is painted."""

from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class Specs:
    """Everything that defines a scene but its noise fields; every tensor has shape (B,).

    `thing`, `colour`, `place`, `tone`, `word_index` and `word_top` (a row of pixels) are int64;
    `grey`, `frame`, `large_sky`, `word` and `distractor` bool; the rest float32. `colour` counts
    through `vocabulary.PAINTS`: the named ones first. `x`, `y` are the object's centre and `size`
    its half extent, as fractions of the width; `depth` is 0 near and 1 far; `horizon` is a
    fraction of the height; `palette` runs from -1, cool, to 1, warm; `mirror` is 1 or -1; `tilt`
    in radians; `light` in [-1, 1], where the light comes from; `gain` the exposure.
    """

    thing: Tensor
    colour: Tensor
    place: Tensor
    tone: Tensor
    x: Tensor
    y: Tensor
    size: Tensor
    depth: Tensor
    tilt: Tensor
    mirror: Tensor
    horizon: Tensor
    palette: Tensor
    light: Tensor
    gain: Tensor
    grey: Tensor
    frame: Tensor
    large_sky: Tensor
    word: Tensor
    word_index: Tensor
    word_top: Tensor
    distractor: Tensor

    def take(self, rows: Tensor) -> "Specs":
        """The specs of some scenes only."""
        return Specs(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})
