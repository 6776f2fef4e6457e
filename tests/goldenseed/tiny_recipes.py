"""Write recipes with tiny checkpoints and conditions, as a user would."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from pipeline.cards.card import Card

SMALL: Mapping[str, Any] = {
    "seeds": {"count": 2},
    "tile": {"seeds": 2, "prompts": 2},
    "batch_size": 2,
    "sampling": {"num_inference_steps": 2},
    "features": ["appearance"],
    "metrics": ["brightness"],
    "ranking": None,
}
"""Settings for two seeds, two steps and a few prompts."""


def picture(seed: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A PNG file of noise, of (width, height)."""
    rng, file = np.random.default_rng(seed), io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def mask(size: tuple[int, int] = (64, 64)) -> bytes:
    """A PNG file of a mask that is white on the left half."""
    pixels, file = np.zeros((*size[::-1], 3), np.uint8), io.BytesIO()
    pixels[:, : size[0] // 2] = 255
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def numbers(seed: int, count: int = 512) -> bytes:
    """An .npy file with a row of numbers."""
    file = io.BytesIO()
    np.save(file, np.random.default_rng(seed).normal(size=count).astype(np.float32))
    return file.getvalue()


def write_prompts(folder: Path, cells: Sequence[Mapping[str, Any]], *, keep: bool = True) -> Path:
    """Write a prompt file. A value of bytes becomes a file, and the prompt names its hash.

    Args:
        folder: Where to write.
        cells: Fields of each prompt.
        keep: Write the files of the conditions.
    """
    (folder / "conditions").mkdir(parents=True, exist_ok=True)
    lines = []
    for cell in cells:
        fields = dict(cell)
        for name, data in cell.items():
            if isinstance(data, bytes):
                fields[name] = hashlib.sha256(data).hexdigest()
                if keep:
                    (folder / "conditions" / f"{fields[name]}.png").write_bytes(data)
        lines.append(json.dumps(fields))
    (folder / "own.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "own.jsonl"


def write_recipe(folder: Path, card: Card | str, prompts: Path | str, **changes: Any) -> Path:  # noqa: ANN401
    """Write a recipe. A card that is not given by its name gets a file."""
    if isinstance(card, Card):
        fields = card.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        (folder / "card.yaml").write_text(yaml.safe_dump(fields))
        card = str(folder / "card.yaml")
    fields = {**SMALL, "card": card, "prompts": {"source": str(prompts)}, **changes}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(fields))
    return folder / "recipe.yaml"
