"""Make prompts with outlines for `seedling-control`: `python -m seedling.make.outlines out.jsonl`.

This draws true scenes of the small world and writes their sentences as a prompt file. The `image`
of each prompt is the outline of its scene's object: a PNG in the folder `conditions` next to the
file, where `goldenseed run` finds it. A second file, `...-plain.jsonl`, contains the same sentences
without outlines, for the seedling itself. What a seed decides without outlines but not with them is
what the ControlNet has taken over from the seed.
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
from pipeline.storage.local_store import LocalStore
from seedling.files import say
from seedling.learning.conditions import draw_seen, outlines
from seedling.world.sentences import sentence
from seedling.world.vocabulary import OBJECTS


def outline_png(edges: Tensor) -> bytes:
    """Encode an outline, bool (64, 64), as a PNG: white on black, as in training."""
    buffer = io.BytesIO()
    Image.fromarray(edges.byte().numpy() * 255).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def draw_outlines(count: int, *, seed: int) -> list[tuple[Prompt, bytes]]:
    """Draw the sentences of scenes and the outlines of their objects.

    Args:
        count: Number of scenes.
        seed: Seed of the scenes.

    Returns:
        Prompts, each with the PNG that is its `image`.
    """
    _, masks, parts = draw_seen(count, seed=seed)
    images = [outline_png(edges) for edges in outlines(masks)]
    return [
        (
            Prompt(
                sentence(row),
                object=OBJECTS[row[0]],
                image=hashlib.sha256(image).hexdigest(),
            ),
            image,
        )
        for row, image in zip(parts.tolist(), images, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="prompt file, ending in .jsonl")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=29)
    options = parser.parse_args(arguments)
    if options.out.suffix != ".jsonl":
        parser.error(f"{options.out} does not end in .jsonl: give a name that does")
    store = LocalStore(options.out.absolute().parent)
    drawn = draw_outlines(options.count, seed=options.seed)
    for prompt, image in drawn:
        store.put_if_absent(f"{FOLDER}/{prompt.image}.png", image)
    write_prompts_jsonl(options.out, [prompt for prompt, _ in drawn])
    plain = options.out.with_stem(f"{options.out.stem}-plain")
    write_prompts_jsonl(plain, [Prompt(prompt.text, object=prompt.object) for prompt, _ in drawn])
    say(f"{options.out}: {len(drawn)} prompts with outlines; {plain}: the same without")


if __name__ == "__main__":
    main()
