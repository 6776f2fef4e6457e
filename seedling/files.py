"""The folders of weights, figures and checkpoints; files written whole or not at all; progress."""

import json
import os
import sys
import tempfile
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the shipped weights."""
FIGURES = Path(__file__).parent / "figures"
"""Folder of the shipped measurements and figures."""
CHECKPOINTS = Path("checkpoints")
"""Folder of checkpoints, in the working directory; git ignores it."""


def say(text: object) -> None:
    """Write one line to the terminal at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def write_json(path: Path, content: object) -> None:
    """Write JSON, whole or not at all."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all: aside, flushed to disk, then moved into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(aside).chmod(0o644)
    Path(aside).replace(path)
