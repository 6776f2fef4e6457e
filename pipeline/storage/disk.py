"""Calls of the file system that must not fail silently: folders and flushes."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.storage.placing import CANNOT

REMEDIES = {
    errno.ENOSPC: "the disk is full; make room, or choose another folder",
    errno.EDQUOT: "your quota is used up; make room, or choose another folder",
    errno.EACCES: "there is no permission; change it, or choose another folder",
    errno.EPERM: "the system forbids it; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EIO: "the disk reports an error; check it, or choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.ENAMETOOLONG: "a name in the path is too long; choose another folder",
    errno.ELOOP: "links in the path lead in a circle; choose another folder",
    errno.EOPNOTSUPP: "the file system cannot do this; choose another folder",
    errno.ENOSYS: "the file system cannot do this; choose another folder",
    errno.EMLINK: "the file has too many links for this file system; choose another folder",
    errno.EFBIG: "the file is larger than the system allows (`ulimit -f`); choose another folder",
    errno.ESTALE: "the network disk has lost the file; mount it again, or choose another folder",
    errno.ETIMEDOUT: "the network disk does not answer; wait for it, or choose another folder",
    errno.EMFILE: "too many files are open (`ulimit -n`); allow more, or choose another machine",
}
"""What the user can do about an error of the operating system."""


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system about a path into errors that say what to do.

    FileNotFoundError and FileExistsError pass unchanged: they are answers, not failures.

    Args:
        path: The file or folder that the block reads or writes.

    Raises:
        StoreError: If the disk is full, read-only or broken, or permission is missing.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        raise StoreError(
            f"{path}: {remedy} ({error.strerror}, {_free(path)} free). "
            "What is committed is safe: the same command goes on from there"
        ) from error


def _free(path: Path) -> str:
    folder = next((parent for parent in path.parents if parent.exists()), Path("/"))
    return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"


def make_folder(path: Path) -> None:
    """Make a folder and its parents, unless they exist, so that they survive a power cut.

    Raises:
        StoreError: If it cannot be made, or a file has that name.
    """
    with store_errors(path):
        try:
            new = [*takewhile(lambda folder: not folder.exists(), (path, *path.parents))]
            path.mkdir(parents=True, exist_ok=True)
            for folder in reversed(new):  # after a power cut, a file is there only if its folder is
                sync_folder(folder.parent)
        except FileExistsError as error:
            raise StoreError(f"{path} is a file, and a folder is wanted; choose another") from error
        except FileNotFoundError as error:  # as in /proc, although its parents were to be made
            raise StoreError(f"{path} cannot be made there; choose another folder") from error


def sync_file(path: Path) -> None:
    """Flush a file or folder to the disk, so that it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Flush the names in a folder, where the file system can do that.

    Some cannot, mostly those of networks: their names are as safe as they make them.
    """
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in CANNOT:
            raise


def discard(path: Path) -> None:
    """Remove a file that nothing needs; where the disk refuses that, it stays as a leftover."""
    with suppress(OSError):
        path.unlink()
