"""Sentences of the small world: from named parts to words, and back.

A sentence names an object and any of colour, place and tone. What it leaves out is free in the
picture, except the tone, which is plain unless another is asked for.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from seedling.randomness import choose, happens
from seedling.vocabulary import COLOURS, OBJECTS, PLACES, TONES

FREE = -1
"""In a table of named parts: this part is not named."""

_COLOURS, _PLACES, _TONES = tuple(COLOURS), tuple(PLACES), tuple(TONES)


def article(words: str) -> str:
    """Put the right article before a noun phrase.

    Example:
        >>> article("orange cup"), article("red cup")
        ('an orange cup', 'a red cup')
    """
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def sentence(parts: Sequence[int], *, variant: int = 0) -> str:
    """Say named parts in words.

    Args:
        parts: Indices of object, colour, place, tone; `FREE` where a part is not named.
        variant: Which of the equivalent wordings, any integer >= 0.

    Returns:
        The sentence.

    Example:
        >>> sentence((0, 0, 0, 0)), sentence((2, 4, 1, 1)), sentence((6, -1, -1, 0), variant=1)
        ('a red ball on grass', 'a dark photo of a blue cup in the desert', 'a photo of a horse')
    """
    thing, colour, place, tone = parts
    noun = OBJECTS[thing] if colour == FREE else f"{_COLOURS[colour]} {OBJECTS[thing]}"
    leads = TONES[_TONES[max(tone, 0)]]
    words = leads[variant % len(leads)] + article(noun)
    if place == FREE:
        return words
    phrases = PLACES[_PLACES[place]].phrases
    return f"{words} {phrases[variant // len(leads) % len(phrases)]}"


def parse(text: str) -> tuple[int, int, int, int]:
    """Read the named parts of a sentence of the world.

    Args:
        text: A sentence as `sentence` makes it, in any case and spacing.

    Returns:
        Indices of object, colour, place, tone; `FREE` for colour or place left out.

    Raises:
        ValueError: When no object of the world is named.

    Example:
        >>> parse("A dark photo of a blue cup in the desert")
        (2, 4, 1, 1)
        >>> parse("a horse")
        (6, -1, -1, 0)
    """
    words = " ".join(re.findall(r"[a-z]+", text.lower()))
    found = set(words.split())
    things = [i for i, name in enumerate(OBJECTS) if name in found]
    if not things:
        raise ValueError(f"{text!r} names none of the objects {', '.join(OBJECTS)}; name one")
    colours = [i for i, name in enumerate(_COLOURS) if name in found]
    places = [
        i
        for i, name in enumerate(_PLACES)
        if any(phrase in words for phrase in PLACES[name].phrases)
    ]
    return things[0], (colours or [FREE])[0], (places or [FREE])[0], _tone(words)


def _tone(words: str) -> int:
    if "black and white" in words:
        return _TONES.index("mono")
    return next((i for i, name in enumerate(_TONES) if name in words.split()), 0)


def draw_parts(count: int, *, generator: torch.Generator, named: float = 0.75) -> Tensor:
    """Draw what `count` sentences name.

    Args:
        count: How many rows.
        generator: The source of randomness.
        named: Probability that colour and place are named, each for itself, in [0, 1].

    Returns:
        int64 (count, 4): object, colour, place, tone, `FREE` where not named. Half the tones are
        plain, the rest evenly divided among the others.
    """
    thing = choose(count, len(OBJECTS), generator=generator)
    free = torch.full((count,), FREE)
    colour = choose(count, len(_COLOURS), generator=generator)
    colour = torch.where(happens(count, named, generator=generator), colour, free)
    place = choose(count, len(_PLACES), generator=generator)
    place = torch.where(happens(count, named, generator=generator), place, free)
    tone = 1 + choose(count, len(_TONES) - 1, generator=generator)
    tone = torch.where(happens(count, 0.5, generator=generator), torch.zeros_like(tone), tone)
    return torch.stack([thing, colour, place, tone], dim=1)
