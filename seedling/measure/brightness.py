"""How bright true scenes of prompts are: `python -m seedling.measure.brightness`.

Writes, for every prompt of a file that names something of the small world, the mean luma of
scenes drawn for it; the study `brightness` sets a model's pictures beside them. With `--prompts`
it writes the prompt file itself: four extremes, and every object plain, dark and bright.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from analysis.statistics.colours import LUMA
from seedling.output import say, write_json
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
"""After the four prompts of Zhang et al. 2024, in words of the small world."""
LEADS = ("a photo of ", "a dark photo of ", "a bright photo of ")


def brightness_prompts(objects: Sequence[str]) -> list[dict[str, str]]:
    """The prompts of the study: extremes, and each object plain, dark and bright.

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
    """The objects of a prompt file, each once, in its order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["object"] for line in lines))


def true_brightness(texts: Sequence[str], *, count: int, seed: int) -> dict[str, dict[str, float]]:
    """Mean luma of true scenes.

    Args:
        texts: Prompts; those that name nothing of the small world are left out.
        count: Scenes of each.
        seed: Seed of the scenes.

    Returns:
        Prompt -> mean, standard error of the mean, and n.
    """
    generator = make_generator(seed)
    weights = torch.tensor(LUMA)[:, None, None]
    found = {}
    for text in texts:
        parts = _parts(text)
        if parts is not None:
            images = draw_scenes(parts.expand(count, -1), generator=generator).images
            luma = (images * weights).sum(dim=1).mean(dim=(1, 2)).double()
            error = float(luma.std()) / count**0.5
            found[text] = {"mean": float(luma.mean()), "error": error, "n": count}
    return found


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
    parser.add_argument("--count", type=int, default=100, help="scenes of each prompt")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--prompts", action="store_true", help="write the prompt file first")
    chosen = parser.parse_args(arguments)
    if chosen.prompts:
        rows = brightness_prompts(read_objects(PROMPTS / "synthetic.jsonl"))
        chosen.source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = chosen.source.read_text(encoding="utf-8").splitlines()
    texts = [str(json.loads(line)["text"]) for line in lines]
    found: Mapping[str, object] = true_brightness(texts, count=chosen.count, seed=chosen.seed)
    write_json(chosen.out, found)
    say(f"{chosen.out}: {len(found)} of {len(texts)} prompts, {chosen.count} scenes each")


if __name__ == "__main__":
    main()
