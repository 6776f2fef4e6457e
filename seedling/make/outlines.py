"""Outlines for `seedling-control`: `python -m seedling.make.outlines outlines.jsonl`.

Draws true scenes of the small world and writes their sentences as a prompt file. Each prompt
names, as its `image`, the outline of its scene's object: a PNG in the folder `conditions` beside
the file, where `goldenseed run` finds it. Beside it, as `...-plain.jsonl`, the same sentences
without outlines, for the seedling itself: what a seed decides there and no longer with an outline
is what the ControlNet has taken from it.
"""

import argparse
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from pipeline.prompts.conditions import FOLDER
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import write_prompts_jsonl
from pipeline.storage.store import LocalStore
from seedling.learning.conditions import draw_seen, outlines
from seedling.output import say
from seedling.world.sentences import sentence
from seedling.world.vocabulary import OBJECTS


def picture_of(edges: Tensor) -> bytes:
    """An outline, bool (64, 64), as a PNG: white on black, as in training."""
    buffer = io.BytesIO()
    Image.fromarray(edges.byte().numpy() * 255).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def draw_outlines(count: int, *, seed: int) -> list[tuple[Prompt, bytes]]:
    """Draw scenes: their sentences, and the outlines of their objects.

    Args:
        count: How many.
        seed: Seed of the scenes.

    Returns:
        Prompts with the PNGs that are their `image`.
    """
    _, masks, parts = draw_seen(count, seed=seed)
    pictures = [picture_of(edges) for edges in outlines(masks)]
    return [
        (
            Prompt(
                sentence(row),
                object=OBJECTS[row[0]],
                image=hashlib.sha256(picture).hexdigest(),
            ),
            picture,
        )
        for row, picture in zip(parts.tolist(), pictures, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the prompt file, ending in .jsonl")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=29)
    chosen = parser.parse_args(arguments)
    if chosen.out.suffix != ".jsonl":
        parser.error(f"{chosen.out}: wanted a name that ends in .jsonl")
    store = LocalStore(chosen.out.absolute().parent)
    drawn = draw_outlines(chosen.count, seed=chosen.seed)
    for prompt, picture in drawn:
        store.put_if_absent(f"{FOLDER}/{prompt.image}.png", picture)
    write_prompts_jsonl(chosen.out, [prompt for prompt, _ in drawn])
    plain = chosen.out.with_stem(f"{chosen.out.stem}-plain")
    write_prompts_jsonl(plain, [Prompt(prompt.text, object=prompt.object) for prompt, _ in drawn])
    say(f"{chosen.out}: {len(drawn)} prompts with outlines; {plain}: the same without")


if __name__ == "__main__":
    main()
