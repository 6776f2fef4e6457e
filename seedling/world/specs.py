"""The parameters that define a scene before it is painted."""

from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class Specs:
    """Everything that defines a scene except its noise fields; each tensor has shape (B,).

    `thing`, `colour`, `place`, `tone`, `word_index` and `word_top` (a pixel row) are int64;
    `grey`, `frame`, `large_sky`, `word` and `distractor` are bool; the rest are float32. `colour`
    is an index into `vocabulary.PAINTS`, where the named colours come first. `x` and `y` are the
    object's centre and `size` its half extent, as fractions of the width; `depth` is 0 near and 1
    far; `horizon` is a fraction of the height; `palette` ranges from -1, cool, to 1, warm;
    `mirror` is 1 or -1; `tilt` is in radians; `light` in [-1, 1] is the side that the light comes
    from; `gain` is the exposure.
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
        """Select the specs of some scenes."""
        return Specs(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})
