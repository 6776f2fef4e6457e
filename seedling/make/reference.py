"""Write the reference features: `python -m seedling.make.reference`.

They are features of fresh scenes of the world, drawn for the prompts of `prompts/seedling.jsonl`,
equally often for each prompt. The small model should be able to draw such scenes. A Frechet
distance to them measures how far a set of images is from the world in our own features, and nothing
else.
"""

import argparse
import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import ResNetModel

from seedling.files import say, write_json
from seedling.networks.recogniser import FOLDER, features, load_backbone
from seedling.randomness import make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import parse

PROMPTS = Path("prompts/seedling.jsonl")
SCENES = 5_160
"""Number of scenes: 3 for each of the 1,720 prompts."""


def read_parts(path: Path = PROMPTS) -> Tensor:
    """Read the named parts of the prompts in a file, int64 (P, 4)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return torch.tensor([parse(json.loads(line)["text"]) for line in lines])


def reference_features(backbone: ResNetModel, parts: Tensor, *, count: int, seed: int) -> Tensor:
    """Compute features of fresh scenes.

    Args:
        backbone: The backbone, in eval mode.
        parts: int64 (P, 4), what the prompts name.
        count: Number of scenes; prompts are used in turn.
        seed: Seed of the scenes.

    Returns:
        float32 (count, 32).
    """
    generator = make_generator(seed)
    rows = parts[torch.arange(count) % len(parts)]
    with torch.no_grad():
        return torch.cat(
            [
                features(backbone, draw_scenes(chunk, generator=generator).images)
                for chunk in torch.split(rows, 100)
            ]
        )


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Run from the command line: write `reference.safetensors` and `reference.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=SCENES)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--prompts", type=Path, default=PROMPTS)
    options = parser.parse_args()
    vectors = reference_features(
        load_backbone(options.folder),
        read_parts(options.prompts),
        count=options.count,
        seed=options.seed,
    )
    save_file({"features": vectors}, options.folder / "reference.safetensors")
    write_json(
        options.folder / "reference.json",
        {
            "n": options.count,
            "dimensions": vectors.shape[1],
            "seed": options.seed,
            "prompts": options.prompts.name,
            "prompts_sha256": sha256(options.prompts),
            "backbone_sha256": sha256(options.folder / "model.safetensors"),
        },
    )
    say(f"wrote {options.count} x {vectors.shape[1]} features to {options.folder}")


if __name__ == "__main__":
    main()
