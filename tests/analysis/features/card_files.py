"""Cards of tiny checkpoints, for tests."""

import hashlib
from pathlib import Path

import yaml


def write_card_file(folder: Path, feature: str, weights: Path, **fields: object) -> Path:
    """Write a user's own card of weights on this machine; return its path."""
    card = {
        "feature": feature,
        "source": "made by the test",
        "licence": "none",
        "path": str(weights),
        **fields,
    }
    path = folder / f"{feature}.yaml"
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    return path


def file_sha256(path: Path) -> str:
    """Compute the sha256 of a file, as a card pins it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
