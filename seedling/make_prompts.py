"""Write the prompt files: `python -m seedling.make_prompts` makes `prompts/*.jsonl` again."""

import argparse
import json
from pathlib import Path

from seedling.model import write_bytes
from seedling.sentences import FREE, article, sentence
from seedling.training import say
from seedling.vocabulary import COLOURS, OBJECTS, PLACES, TONES

SYNTHETIC_OBJECTS = (
    "horse",
    "bowl",
    "cat",
    "dog",
    "bird",
    "elephant",
    "cow",
    "bear",
    "zebra",
    "rabbit",
    "bicycle",
    "car",
    "bus",
    "train",
    "boat",
    "aeroplane",
    "motorcycle",
    "truck",
    "bench",
    "chair",
    "couch",
    "bed",
    "table",
    "clock",
    "vase",
    "cup",
    "bottle",
    "apple",
    "banana",
    "cake",
    "sandwich",
    "book",
    "laptop",
    "umbrella",
    "backpack",
    "kite",
    "guitar",
    "lamp",
    "house",
    "tree",
)
"""The 40 object categories of the synthetic prompts."""

SYNTHETIC_MODIFIERS = {
    "": "{}",
    "red": "red {}",
    "blue": "blue {}",
    "green": "green {}",
    "yellow": "yellow {}",
    "white": "white {}",
    "black": "black {}",
    "wooden": "wooden {}",
    "tiny": "tiny {}",
    "old": "old {}",
    "shiny": "shiny {}",
    "beach": "{} on a beach",
    "forest": "{} in a forest",
    "snow": "{} in the snow",
    "city": "{} on a city street",
    "kitchen": "{} in a kitchen",
    "night": "{} at night",
    "sunset": "{} at sunset",
    "photo": "a close-up photo of {}",
    "painting": "an oil painting of {}",
    "sketch": "a pencil sketch of {}",
    "watercolour": "a watercolour painting of {}",
}
"""The 22 modifiers and where the object goes; the empty one leaves it alone."""


def line(text: str, thing: str, modifier: str) -> dict[str, str]:
    """One prompt as a row: its object is also its group, what makes prompts dependent."""
    return {"text": text, "object": thing, "modifier": modifier, "group": thing}


def seedling_prompts() -> list[dict[str, str]]:
    """The sentences of the small world: every object with the same 25 modifiers.

    One modifier is empty. The 24 others name colour, place and tone so that every colour comes 3
    times, every place 4 times, every tone 6 times, and no two of them agree in more than one part.

    Returns:
        300 rows, 12 objects x 25 modifiers.

    Example:
        >>> [row["text"] for row in seedling_prompts()[:2]]
        ['a ball', 'a red ball on grass']
    """
    modifiers = [(FREE, FREE, 0)] + [(j % 8, j % 6, j // 6) for j in range(24)]
    return [
        line(sentence((thing, *modifier)), name, _label(*modifier))
        for thing, name in enumerate(OBJECTS)
        for modifier in modifiers
    ]


def _label(colour: int, place: int, tone: int) -> str:
    if colour == FREE:
        return ""
    return ", ".join([tuple(TONES)[tone], tuple(COLOURS)[colour], tuple(PLACES)[place]])


def synthetic_prompts() -> list[dict[str, str]]:
    """The synthetic prompts for real models: 40 object categories x 22 modifiers.

    Returns:
        880 rows.

    Example:
        >>> rows = synthetic_prompts()
        >>> len(rows), rows[0]["text"], rows[9]["text"], rows[19]["text"]
        (880, 'a horse', 'an old horse', 'an oil painting of a horse')
    """
    return [
        line(_placed(thing, pattern), thing, modifier)
        for thing in SYNTHETIC_OBJECTS
        for modifier, pattern in SYNTHETIC_MODIFIERS.items()
    ]


def _placed(thing: str, pattern: str) -> str:
    if " of " in pattern:
        return pattern.format(article(thing))
    return article(pattern.format(thing))


def main() -> None:
    """Write both files from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("prompts"))
    folder = parser.parse_args().folder
    for name, rows in (("seedling", seedling_prompts()), ("synthetic", synthetic_prompts())):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_bytes(folder / f"{name}.jsonl", text.encode())
        say(f"{folder / name}.jsonl: {len(rows)} prompts")


if __name__ == "__main__":
    main()
