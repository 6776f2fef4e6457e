"""Hashes files and folders."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path


def sha256_of_file(path: Path) -> str:
    """Hash the content of a file, which is read in parts.

    Raises:
        OSError: If it cannot be read; it names the file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def sha256_of_files(
    folder: Path, files: Iterable[Path], *, file_sha256: Callable[[Path], str] = sha256_of_file
) -> str:
    """Hash the names and contents of files; the location of their folder does not matter.

    Args:
        folder: The folder that contains them, directly or in subfolders.
        files: The files, in any order.
        file_sha256: Hashes the content of one file.

    Raises:
        OSError: If one cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()
