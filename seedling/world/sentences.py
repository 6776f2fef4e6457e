"""Convert named parts to sentences of the small world, and sentences to parts.

A sentence is `[tone lead] a [colour] object [place phrase] [at sunset | at night]`, or the fixed
sentence of an extreme scene. Parts that a sentence does not name are free in the image, except
the tone, which is then plain.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from seedling.randomness import choose, happens
from seedling.world.vocabulary import COLOURS, EXTREMES, OBJECTS, PLACES, THINGS, TONES

FREE = -1
"""Value of a part that is not named."""
EXTREME_RATE = 0.03
"""Share of rows of `draw_parts` that are extreme scenes."""
NAMED_RATE = 0.75
"""Probability that `draw_parts` names the colour, and that it names the place, independently."""
PLAIN_RATE = 0.5
"""Share of plain tones in `draw_parts`; the others share the rest equally."""

_COLOURS, _PLACES, _TONES = tuple(COLOURS), tuple(PLACES), tuple(TONES)


def article(words: str) -> str:
    """Put the right article before a noun phrase.

    Example:
        >>> article("elephant"), article("red cup")
        ('an elephant', 'a red cup')
    """
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def sentence(parts: Sequence[int], *, variant: int = 0) -> str:
    """Build the sentence of named parts.

    Args:
        parts: Indices of object, colour, place, tone; `FREE` for a part that is not named. The
            labels after the objects are the extreme scenes, whose other parts are ignored.
        variant: Index of one of the equivalent wordings, any integer >= 0.

    Returns:
        The sentence.

    Example:
        >>> sentence((0, 0, 0, 0)), sentence((25, 3, 5, 1)), sentence((0, -1, -1, 4), variant=1)
        ('a red horse on a beach', 'a dark photo of a blue cup in the desert', 'a photo of a horse at sunset')
        >>> sentence((40, -1, -1, -1))
        'a solid black background'
    """  # noqa: E501 - one line of output
    thing, colour, place, tone = parts
    if thing >= len(OBJECTS):
        return THINGS[thing]
    noun = OBJECTS[thing] if colour == FREE else f"{_COLOURS[colour]} {OBJECTS[thing]}"
    wording = TONES[_TONES[max(tone, 0)]]
    words = wording.leads[variant % len(wording.leads)] + article(noun)
    if place != FREE:
        phrases = PLACES[_PLACES[place]]
        words = f"{words} {phrases[variant // len(wording.leads) % len(phrases)]}"
    return words + wording.tail


def parse(text: str) -> tuple[int, int, int, int]:
    """Parse the named parts of a sentence of the world.

    Args:
        text: A sentence in the form of `sentence`, in any case and spacing.

    Returns:
        Indices of object, colour, place, tone; `FREE` for a colour or place that is not named,
        and for colour, place and tone of an extreme scene.

    Raises:
        ValueError: If the sentence names no object of the world.

    Example:
        >>> parse("A dark photo of a blue cup in the desert")
        (25, 3, 5, 1)
        >>> parse("a black and white photo of a horse")
        (0, -1, -1, 3)
        >>> parse("a line-art logo on a black background")
        (42, -1, -1, -1)
    """
    words = _plain(text)
    for label, scene in enumerate(EXTREMES, start=len(OBJECTS)):
        if words == _plain(scene):
            return label, FREE, FREE, FREE
    tone, rest = _without_tone(words)
    thing = _first(tuple(OBJECTS), rest)
    if thing == FREE:
        raise ValueError(f"{text!r} names none of the objects {', '.join(OBJECTS)}; name one")
    places = [i for i, name in enumerate(_PLACES) if any(p in rest for p in PLACES[name])]
    return thing, _first(_COLOURS, rest), (places or [FREE])[0], tone


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def _first(names: tuple[str, ...], words: str) -> int:
    distinct = set(words.split())
    return next((i for i, name in enumerate(names) if name in distinct), FREE)


def _without_tone(words: str) -> tuple[int, str]:
    """Find the tone, and the words without its lead ("black and white" is not a colour)."""
    for tone, name in enumerate(_TONES[1:], start=1):
        wording = TONES[name]
        if wording.tail and words.endswith(wording.tail):
            return tone, words.removesuffix(wording.tail)
        for lead in wording.leads:
            if lead and not wording.tail and words.startswith(lead):
                return tone, words.removeprefix(lead)
    return 0, words


def draw_parts(count: int, *, generator: torch.Generator, named: float = NAMED_RATE) -> Tensor:
    """Draw the parts that sentences name.

    Args:
        count: Number of rows.
        generator: The source of randomness.
        named: Probability that colour and place are named, independently, in [0, 1].

    Returns:
        int64 (count, 4): object, colour, place, tone, `FREE` if not named. Objects are uniform.
        A share `PLAIN_RATE` of the tones is plain; the other tones share the rest equally. A share
        `EXTREME_RATE` of the rows are extreme scenes, uniformly, with nothing else named.
    """
    thing = choose(count, len(OBJECTS), generator=generator)
    free = torch.full((count,), FREE)
    colour = choose(count, len(_COLOURS), generator=generator)
    colour = torch.where(happens(count, named, generator=generator), colour, free)
    place = choose(count, len(_PLACES), generator=generator)
    place = torch.where(happens(count, named, generator=generator), place, free)
    tone = 1 + choose(count, len(_TONES) - 1, generator=generator)
    tone = torch.where(happens(count, PLAIN_RATE, generator=generator), 0, tone)
    parts = torch.stack([thing, colour, place, tone], dim=1)
    extreme = torch.full_like(parts, FREE)
    extreme[:, 0] = len(OBJECTS) + choose(count, len(EXTREMES), generator=generator)
    return torch.where(happens(count, EXTREME_RATE, generator=generator)[:, None], extreme, parts)
