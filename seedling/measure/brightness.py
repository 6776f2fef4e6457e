"""Measure how bright true scenes of prompts are: `python -m seedling.measure.brightness`.

For each prompt of a file that names an object of the small world, this writes the mean luma of
scenes drawn for it. The study `brightness` compares a model's images with them. With `--prompts` it
also writes the prompt file: four extremes, and each object plain, dark and bright.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from analysis.statistics.colours import LUMA
from seedling.files import say, write_json
from seedling.randomness import make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import article, parse

PROMPTS = Path("prompts")
EXTREMES = (
    "a solid black background",
    "a solid white background",
    "a line-art logo on a black background",
    "a line-art logo on a white background",
)
"""The four prompts of Zhang et al. 2024, in words of the small world."""
LEADS = ("a photo of ", "a dark photo of ", "a bright photo of ")


def brightness_prompts(objects: Sequence[str]) -> list[dict[str, str]]:
    """Build the prompts of the study: extremes, and each object plain, dark and bright.

    Example:
        >>> [row["text"] for row in brightness_prompts(["apple"])][4:]
        ['a photo of an apple', 'a dark photo of an apple', 'a bright photo of an apple']
    """
    extremes = [{"text": text, "group": text} for text in EXTREMES]
    return extremes + [
        {"text": lead + article(name), "object": name, "group": name}
        for name in objects
        for lead in LEADS
    ]


def read_objects(path: Path) -> list[str]:
    """Read the distinct objects of a prompt file, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["object"] for line in lines))


def true_brightness(texts: Sequence[str], *, count: int, seed: int) -> dict[str, dict[str, float]]:
    """Measure the mean luma of true scenes.

    Args:
        texts: Prompts; prompts that name no object of the small world are skipped.
        count: Number of scenes per prompt.
        seed: Seed of the scenes.

    Returns:
        Prompt -> mean, standard error of the mean, and n.
    """
    generator = make_generator(seed)
    weights = torch.tensor(LUMA)[:, None, None]
    table = {}
    for text in texts:
        parts = _parts(text)
        if parts is not None:
            images = draw_scenes(parts.expand(count, -1), generator=generator).images
            luma = (images * weights).sum(dim=1).mean(dim=(1, 2)).double()
            error = float(luma.std()) / count**0.5
            table[text] = {"mean": float(luma.mean()), "error": error, "n": count}
    return table


def _parts(text: str) -> torch.Tensor | None:
    try:
        return torch.tensor([parse(text)])
    except ValueError:
        return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=PROMPTS / "brightness.jsonl")
    parser.add_argument("--out", type=Path, default=Path("seedling/figures/brightness.json"))
    parser.add_argument("--count", type=int, default=100, help="scenes per prompt")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--prompts", action="store_true", help="write the prompt file first")
    options = parser.parse_args(arguments)
    if options.prompts:
        rows = brightness_prompts(read_objects(PROMPTS / "synthetic.jsonl"))
        options.source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = options.source.read_text(encoding="utf-8").splitlines()
    texts = [str(json.loads(line)["text"]) for line in lines]
    table: Mapping[str, object] = true_brightness(texts, count=options.count, seed=options.seed)
    write_json(options.out, table)
    say(f"{options.out}: {len(table)} of {len(texts)} prompts, {options.count} scenes each")


if __name__ == "__main__":
    main()
