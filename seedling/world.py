"""The small world: procedural 64 x 64 scenes with an exact mask, centre and size.

A scene is an object before a place, in a tone. What is not named varies widely: position, size,
tilt, light, clouds, texture, horizon, colour jitter, a second thing in the background. Some
scenes are, unasked and at the rates below, greyed, framed, mostly pale sky, or carry a written
word: that is what makes such outcomes possible in the models that are trained here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from seedling import painting
from seedling.randomness import choose, happens, uniform
from seedling.sentences import FREE
from seedling.vocabulary import COLOURS, PLACES, TONES, WORDS

SIZE = 64
"""Height and width of a scene in pixels."""
GREY_RATE = 0.06
"""Share of scenes that are greyed and faded, unasked."""
FRAME_RATE = 0.05
"""Share of scenes with a frame around them, unasked."""
LARGE_SKY_RATE = 0.08
"""Share of scenes that are mostly pale sky, unasked."""
WORD_RATE = 0.06
"""Share of scenes with a word written across, unasked."""
DISTRACTOR_RATE = 0.30
"""Share of scenes with a second, dull thing in the background."""


@dataclass(frozen=True)
class Specs:
    """Everything that defines a scene but its noise fields; every tensor has shape (B,).

    `thing`, `colour`, `place`, `tone` and `word_index` are int64 labels; `grey`, `frame`,
    `large_sky`, `word` and `distractor` bool; the rest float32. `x`, `y` are the object's centre
    and `size` its half extent, as fractions of the width; `horizon` is a fraction of the height;
    `mirror` is 1 or -1; `tilt` in radians; `light` in [-1, 1], where the light comes from; `gain`
    the exposure.
    """

    thing: Tensor
    colour: Tensor
    place: Tensor
    tone: Tensor
    x: Tensor
    y: Tensor
    size: Tensor
    tilt: Tensor
    mirror: Tensor
    horizon: Tensor
    light: Tensor
    gain: Tensor
    grey: Tensor
    frame: Tensor
    large_sky: Tensor
    word: Tensor
    word_index: Tensor
    distractor: Tensor


@dataclass(frozen=True)
class Scenes:
    """Drawn scenes.

    Attributes:
        images: float32 (B, 3, 64, 64), RGB in 0..1.
        masks: bool (B, 64, 64), the pixels whose centre lies in the object and is not covered
            by a frame or a word.
        specs: What was drawn.
    """

    images: Tensor
    masks: Tensor
    specs: Specs


def draw_specs(parts: Tensor, *, generator: torch.Generator) -> Specs:
    """Draw everything that sentences leave open.

    Args:
        parts: int64 (B, 4), object, colour, place, tone, `FREE` where not named
            (`sentences.draw_parts`, or rows of `sentences.parse`).
        generator: The source of randomness.

    Returns:
        The specs of B scenes. A tone that is not named is plain.
    """
    count = len(parts)
    sky = happens(count, LARGE_SKY_RATE, generator=generator)
    size = uniform(count, 0.17, 0.33, generator=generator)
    size = torch.where(sky, size * 0.65, size)
    return Specs(
        thing=parts[:, 0],
        colour=_fill(parts[:, 1], len(COLOURS), generator=generator),
        place=_fill(parts[:, 2], len(PLACES), generator=generator),
        tone=parts[:, 3].clamp(0, len(TONES) - 1),
        size=size,
        x=uniform(count, 0.25, 0.75, generator=generator),
        y=torch.where(
            sky,
            uniform(count, 0.68, 0.80, generator=generator),
            uniform(count, 0.35, 0.70, generator=generator),
        ),
        tilt=uniform(count, -0.15, 0.15, generator=generator),
        mirror=torch.where(happens(count, 0.5, generator=generator), 1.0, -1.0),
        horizon=torch.where(
            sky,
            uniform(count, 0.78, 0.92, generator=generator),
            uniform(count, 0.32, 0.72, generator=generator),
        ),
        light=uniform(count, -1.0, 1.0, generator=generator),
        gain=uniform(count, 0.78, 1.12, generator=generator),
        grey=happens(count, GREY_RATE, generator=generator),
        frame=happens(count, FRAME_RATE, generator=generator),
        large_sky=sky,
        word=happens(count, WORD_RATE, generator=generator),
        word_index=choose(count, len(WORDS), generator=generator),
        distractor=happens(count, DISTRACTOR_RATE, generator=generator),
    )


def draw_scenes(parts: Tensor, *, generator: torch.Generator) -> Scenes:
    """Draw scenes for named parts.

    Args:
        parts: int64 (B, 4) as for `draw_specs`.
        generator: The source of randomness; the same one in the same state gives the same
            scenes, bit for bit, on the same machine.

    Returns:
        B scenes.

    Example:
        >>> from seedling.randomness import make_generator
        >>> from seedling.sentences import parse
        >>> scenes = draw_scenes(torch.tensor([parse("a red ball")]), generator=make_generator(1))
        >>> tuple(scenes.images.shape), bool(scenes.masks.any())
        ((1, 3, 64, 64), True)
    """
    specs = draw_specs(parts, generator=generator)
    return render(specs, generator=generator)


def render(specs: Specs, *, generator: torch.Generator) -> Scenes:
    """Paint scenes, back to front: place, second thing, shadow, object, tone, word, frame."""
    image = painting.background(specs, generator=generator)
    image = painting.distractor(image, specs, generator=generator)
    image = painting.shadow(image, specs)
    image, distance = painting.thing(image, specs, generator=generator)
    image = painting.tone(painting.light(image, specs), specs)
    image, covered = painting.overlays(image, specs, generator=generator)
    return Scenes(images=image.clamp(0, 1), masks=(distance < 0) & ~covered, specs=specs)


def centres(specs: Specs) -> Tensor:
    """Exact centres of the objects, float32 (B, 2): x right, y down, fractions of the size."""
    return torch.stack([specs.x, specs.y], dim=1)


def _fill(labels: Tensor, options: int, *, generator: torch.Generator) -> Tensor:
    drawn = choose(len(labels), options, generator=generator)
    return torch.where(labels == FREE, drawn, labels)
