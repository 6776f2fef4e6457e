"""Build the rows of the prompt files from the world's vocabulary."""

from seedling.world.sentences import FREE, article, sentence
from seedling.world.vocabulary import COLOURS, LEARNED_NAME, LEARNED_THING, OBJECTS, PLACES, TONES

SYNTHETIC_MODIFIERS = {
    "": "{}",
    **{colour: f"{colour} {{}}" for colour in COLOURS},
    **{place: f"{{}} {phrases[0]}" for place, phrases in PLACES.items()},
    **{name: f"{tone.leads[0]}{{}}{tone.tail}" for name, tone in TONES.items() if name != "plain"},
}
"""Modifier -> pattern in which {} is the object. There are 22, one of them empty."""


def row(text: str, thing: str, modifier: str) -> dict[str, str]:
    """Make the row of one prompt; all prompts with the same object are one group."""
    return {"text": text, "object": thing, "modifier": modifier, "group": thing}


def seedling_prompts() -> list[dict[str, str]]:
    """Build the prompts of the model `seedling`: each object with the same 43 modifiers.

    One modifier is empty. The other 42 name each pair of colour and place once. Ten of them have
    the plain tone, and each other tone occurs four times.

    Returns:
        1,720 rows, 40 objects x 43 modifiers.

    Example:
        >>> [row["text"] for row in seedling_prompts()[:3]]
        ['a horse', 'a red horse on a beach', 'a dark photo of a yellow horse in a forest']
    """
    tones = [j % 9 if j < 36 else 0 for j in range(42)]
    modifiers = [(FREE, FREE, 0)] + [(j % 7, j % 6, tones[j]) for j in range(42)]
    return [
        row(sentence((thing, *modifier)), name, _label(*modifier))
        for thing, name in enumerate(OBJECTS)
        for modifier in modifiers
    ]


def _label(colour: int, place: int, tone: int) -> str:
    if colour == FREE:
        return ""
    return ", ".join([tuple(TONES)[tone], tuple(COLOURS)[colour], tuple(PLACES)[place]])


def synthetic_prompts() -> list[dict[str, str]]:
    """Build the synthetic prompts, each with an object and at most one modifier.

    Returns:
        880 rows, 40 objects x 22 modifiers.

    Example:
        >>> rows = synthetic_prompts()
        >>> len(rows), rows[0]["text"], rows[10]["text"], rows[21]["text"]
        (880, 'a horse', 'a horse in the snow', 'an oil painting of a horse')
    """
    return [
        row(_with_article(thing, pattern), thing, modifier)
        for thing in OBJECTS
        for modifier, pattern in SYNTHETIC_MODIFIERS.items()
    ]


def _with_article(thing: str, pattern: str) -> str:
    if " of " in pattern:
        return pattern.format(article(thing))
    return article(pattern.format(thing))


def dreambooth_prompts() -> list[dict[str, str]]:
    """Build prompts for the object that `seedling-dreambooth` learned, in each place and tone.

    All prompts with the same place are one group.

    Returns:
        63 rows: 6 places or no place, times 9 tones.

    Example:
        >>> [row["text"] for row in dreambooth_prompts()[:10:9]]
        ['a sks dog', 'a sks dog on a beach']
    """
    thing = OBJECTS.index(LEARNED_THING)
    return [
        {
            "text": sentence((thing, FREE, place, tone)).replace(LEARNED_THING, LEARNED_NAME),
            "object": LEARNED_THING,
            "modifier": tuple(TONES)[tone],
            "group": "no place" if place == FREE else tuple(PLACES)[place],
        }
        for place in (FREE, *range(len(PLACES)))
        for tone in range(len(TONES))
    ]
