"""Draw the world: procedural 64 x 64 scenes with an exact mask, centre, size and depth.

A scene is an object in a place, in a tone, or one of the extreme scenes. What the sentence does not
name varies widely: position, distance and tilt of the object, light, warmth, clouds, ground,
horizon, and a second thing in the background. At the rates below, some scenes are greyed, framed,
mostly pale sky, or contain a written word although no sentence asks for it. Models trained on the
world can therefore draw such images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from seedling.randomness import choose, happens, uniform
from seedling.world import extremes, lettering, painting, places, styles
from seedling.world.extremes import is_extreme
from seedling.world.sentences import FREE
from seedling.world.specs import Specs
from seedling.world.vocabulary import OBJECTS, PAINTS, PLACES, THINGS, TONES, TYPICAL_COLOURS, WORDS

SIZE = 64
"""Height and width of a scene in pixels."""
GREY_RATE = 0.06
"""Share of scenes that are greyed and faded; this rate and those below exclude extreme scenes."""
FRAME_RATE = 0.05
"""Share of scenes with a frame around them."""
LARGE_SKY_RATE = 0.08
"""Share of scenes that are mostly pale sky."""
WORD_RATE = 0.06
"""Share of scenes with a word written across them; a framed scene has no word."""
DISTRACTOR_RATE = 0.30
"""Share of scenes with a second, dull thing in the background."""
TYPICAL_RATE = 0.5
"""Share of objects with an unnamed colour that get a typical colour; the others get any colour."""
NEAR, FAR = 0.42, 0.20
"""Half extent of an object at depth 0 and at depth 1, in fractions of the width."""


@dataclass(frozen=True)
class Scenes:
    """Drawn scenes.

    Attributes:
        images: float32 (B, 3, 64, 64), RGB in 0..1.
        masks: bool (B, 64, 64), the pixels whose centre lies in the object and is not covered
            by a frame or a word; for a logo, its lines; for a solid ground, nothing.
        specs: Parameters of the scenes.
    """

    images: Tensor
    masks: Tensor
    specs: Specs


def draw_specs(parts: Tensor, *, generator: torch.Generator) -> Specs:
    """Draw everything that sentences do not name.

    Args:
        parts: int64 (B, 4), object, colour, place, tone, `FREE` if not named
            (`sentences.draw_parts`, or rows of `sentences.parse`).
        generator: The source of randomness.

    Returns:
        The specs of B scenes. A tone that is not named is plain.
    """
    count = len(parts)
    ordinary = ~is_extreme(parts[:, 0])
    sky = happens(count, LARGE_SKY_RATE, generator=generator) & ordinary
    frame = happens(count, FRAME_RATE, generator=generator) & ordinary
    word_rate = WORD_RATE / (1 - FRAME_RATE)
    depth = uniform(count, 0.0, 1.0, generator=generator)
    depth = torch.where(sky, 0.7 + 0.3 * depth, depth)
    size = torch.lerp(torch.tensor(NEAR), torch.tensor(FAR), depth)
    horizon = torch.where(
        sky,
        uniform(count, 0.74, 0.86, generator=generator),
        uniform(count, 0.32, 0.66, generator=generator),
    )
    y = _heights(parts[:, 0], size, depth, horizon, generator=generator)
    return Specs(
        thing=parts[:, 0],
        colour=_colours(parts, generator=generator),
        place=_fill(parts[:, 2], len(PLACES), generator=generator),
        tone=parts[:, 3].clamp(0, len(TONES) - 1),
        size=size,
        depth=depth,
        x=0.78 * size + (1 - 1.56 * size) * torch.rand(count, generator=generator),
        y=y,
        tilt=uniform(count, -0.12, 0.12, generator=generator),
        mirror=torch.where(happens(count, 0.5, generator=generator), 1.0, -1.0),
        horizon=horizon,
        palette=uniform(count, -1.0, 1.0, generator=generator),
        light=uniform(count, -1.0, 1.0, generator=generator),
        gain=uniform(count, 0.80, 1.12, generator=generator),
        grey=happens(count, GREY_RATE, generator=generator) & ordinary,
        frame=frame,
        large_sky=sky,
        word=happens(count, word_rate, generator=generator) & ordinary & ~frame,
        word_index=choose(count, len(WORDS), generator=generator),
        word_top=_word_tops(y, generator=generator),
        distractor=happens(count, DISTRACTOR_RATE, generator=generator) & ordinary,
    )


def draw_scenes(parts: Tensor, *, generator: torch.Generator) -> Scenes:
    """Draw scenes for named parts.

    Args:
        parts: int64 (B, 4) as for `draw_specs`.
        generator: The source of randomness; the same state gives the same scenes, bit for bit,
            on the same machine.

    Returns:
        B scenes.

    Example:
        >>> from seedling.randomness import make_generator
        >>> from seedling.world.sentences import parse
        >>> scenes = draw_scenes(torch.tensor([parse("a red bowl")]), generator=make_generator(1))
        >>> tuple(scenes.images.shape), bool(scenes.masks.any())
        ((1, 3, 64, 64), True)
    """
    specs = draw_specs(parts, generator=generator)
    return render(specs, generator=generator)


def render(specs: Specs, *, generator: torch.Generator) -> Scenes:
    """Paint scenes, back to front: place, second thing, shadow, object, tone, word, frame."""
    image = places.background(specs, generator=generator)
    image = painting.distractor(image, specs, generator=generator)
    image = painting.shadow(image, specs)
    image, outline = painting.thing(image, specs, generator=generator)
    image = styles.tone(styles.light(image, specs), outline, specs, generator=generator)
    image, written = lettering.write(image, specs, generator=generator)
    image, framed = painting.frame(image, specs, generator=generator)
    rows = is_extreme(specs.thing).nonzero().flatten()
    if len(rows):
        image[rows], outline[rows] = extremes.draw_extremes(specs.take(rows), generator=generator)
    return Scenes(images=image, masks=(outline < 0) & ~written & ~framed, specs=specs)


def centres(specs: Specs) -> Tensor:
    """Return the exact centres of the objects, float32 (B, 2): x right, y down, as fractions."""
    return torch.stack([specs.x, specs.y], dim=1)


def _fill(labels: Tensor, options: int, *, generator: torch.Generator) -> Tensor:
    drawn = choose(len(labels), options, generator=generator)
    return torch.where(labels == FREE, drawn, labels)


def _colours(parts: Tensor, *, generator: torch.Generator) -> Tensor:
    """Keep named colours; draw the others from the object's typical colours or from all colours."""
    if not len(parts):
        return parts[:, 1]
    drawn = torch.multinomial(_colour_rates()[parts[:, 0]], 1, generator=generator)[:, 0]
    return torch.where(parts[:, 1] == FREE, drawn, parts[:, 1])


def _colour_rates() -> Tensor:
    """Compute the probability of each colour if the sentence names none, (things, paints)."""
    rates = torch.full((len(THINGS), len(PAINTS)), 1 / len(PAINTS))
    names = list(PAINTS)
    for thing, colours in TYPICAL_COLOURS.items():
        row = rates[OBJECTS.index(thing)]
        row *= 1 - TYPICAL_RATE
        for colour in colours:
            row[names.index(colour)] += TYPICAL_RATE / len(colours)
    return rates


def _heights(
    thing: Tensor, size: Tensor, depth: Tensor, horizon: Tensor, *, generator: torch.Generator
) -> Tensor:
    """Draw heights of the centres: the feet of far objects are near the horizon; some fly."""
    count = len(thing)
    nearness = (1 - depth + uniform(count, -0.3, 0.3, generator=generator)).clamp(0, 1)
    ground = horizon + 0.04 + (0.95 - horizon) * nearness
    standing = (ground - 0.95 * size).clamp_max(1).maximum(0.98 * size)
    standing = standing.minimum(0.98 - 0.95 * size)
    air = size + (1 - 2 * size) * torch.rand(count, generator=generator)
    flies = painting.flying()[thing.clamp(0, len(OBJECTS) - 1)] | is_extreme(thing)
    return torch.where(flies, air, standing)


def _word_tops(y: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw the first pixel row of a sign, near the image edge that is farther from the object."""
    inset = choose(len(y), 6, generator=generator)
    return torch.where(y < 0.5, lettering.LOWEST - inset, inset)
