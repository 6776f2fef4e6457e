"""The folders of weights, figures and checkpoints; files written whole or not at all; progress."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into, which replaces `folder` once the block is complete.

    Args:
        folder: Target folder. If the block fails, an earlier one remains as it was.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "weights"
        >>> with whole_folder(target) as aside:
        ...     _ = (aside / "config.json").write_text("{}")
        >>> [path.name for path in target.iterdir()]
        ['config.json']
    """
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    yield aside
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
