"""Finds image files in a folder of somebody else's, without leaving it."""

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ImageFileError
from pipeline.imported.skipped import Skipped
from pipeline.prompts.image_files import SUFFIXES

MAX_FILE_BYTES = 2**28
"""Largest file that is read, 256 MiB; an uncompressed image of the most pixels has half of that."""


def image_names(folder: Path, skipped: Skipped) -> list[str]:
    """List the image files in a folder and below, in the order of people: `a2` before `a10`.

    Links are never followed, so nothing outside the folder is read. Hidden files are left out.

    Args:
        folder: The folder.
        skipped: Takes the links, and the files that are no images.

    Returns:
        Names relative to the folder, with forward slashes.

    Raises:
        ImageFileError: If there is no such folder, or no image in it.
    """
    if folder.is_file() and zipfile.is_zipfile(folder):
        raise ImageFileError(f"{folder} is a zip file; unpack it, and give the folder")
    if not folder.is_dir():
        raise ImageFileError(
            f"{folder} is no folder; wanted a folder with images, or a .csv with the columns "
            f"file, prompt, seed"
        )
    names = sorted(_walk(folder, skipped), key=natural)
    if not names:
        raise ImageFileError(f"{folder} holds no image; wanted {', '.join(SUFFIXES)}")
    return names


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key of a name: numbers in it count as numbers.

    Example:
        >>> sorted(["a10.png", "a2.png"], key=natural)
        ['a2.png', 'a10.png']
    """
    return [
        (int(part) if part.isdecimal() and part.isascii() else -1, part)
        for part in re.split(r"([0-9]{1,18})", name)
    ]


def _walk(folder: Path, skipped: Skipped) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        relative = Path(parent).relative_to(folder)
        for name in [name for name in folders if Path(parent, name).is_symlink()]:
            skipped.add("symbolic link, not followed", (relative / name).as_posix())
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in files:
            if name[0] == ".":
                continue
            key = (relative / name).as_posix()
            if Path(parent, name).is_symlink():
                skipped.add("symbolic link, not followed", key)
            elif Path(name).suffix.lower() in SUFFIXES:
                yield key
            else:
                skipped.add("no image by its name", key)


def read_file(path: Path) -> bytes:
    """Read a file of a bounded size.

    Raises:
        ImageFileError: If it cannot be read, is no plain file, or is too large.
    """
    try:
        if not path.is_file():
            raise ImageFileError("no plain file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImageFileError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ImageFileError(f"cannot be read ({error.strerror})") from error
