"""Stores files in a folder on a disk that all actors see.

The safety of the pipeline depends on one operation, `put_if_absent`: of several writers of one key
exactly one wins, and a reader never sees half a value. On a local or network disk it is a hard link
to a finished, fsynced file; where there are no hard links, it is a rename that replaces nothing. On
an object store it would be a conditional put (`If-None-Match: *`),
which is why nothing here renames data.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from pipeline.errors import RunError, StoreError
from pipeline.failpoints import failpoint
from pipeline.storage.address import local_path
from pipeline.storage.placing import CANNOT, place

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


class LocalStore:
    """Files under one root folder, addressed by relative keys with forward slashes.

    Args:
        root: The folder. It is made at the first write.

    Raises:
        ConfigError: If the folder is the address of an object store.

    Example:
        >>> import tempfile
        >>> store = LocalStore(Path(tempfile.mkdtemp()))
        >>> store.put_if_absent("a/b.json", b"1"), store.put_if_absent("a/b.json", b"2")
        (True, False)
        >>> store.read("a/b.json")
        b'1'
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.normpath(local_path(root).absolute()))

    def path(self, key: str) -> Path:
        """The path of a key.

        Raises:
            RunError: If the key would lead outside the root.
        """
        # Only the name is checked: to resolve each part of the path on disk costs more than a read.
        path = Path(os.path.normpath(self.root / key))
        if not path.is_relative_to(self.root):
            raise RunError(f"{key!r} leads outside the folder {self.root}")
        return path

    def exists(self, key: str) -> bool:
        """Whether the key has a value."""
        return self.path(key).exists()

    def read(self, key: str) -> bytes:
        """Read the value of a key; FileNotFoundError if it has none."""
        path = self.path(key)
        with store_errors(path):
            return path.read_bytes()

    def put_if_absent(self, key: str, value: bytes) -> bool:
        """Write a value if the key has none yet.

        Returns:
            True if this call wrote it; False if the key already had a value, which stays.
        """
        target = self.path(key)
        with store_errors(target):
            # This saves a write when a run goes on; among simultaneous writers the link decides.
            if target.exists():
                return False
        aside = self._write_aside(target, value)
        failpoint("receipt_written")
        with store_errors(target):
            try:
                placed = place(aside, target)
            finally:
                discard(aside)  # unless a rename has moved it
            if placed:
                sync_folder(target.parent)
        return placed

    def replace(self, key: str, value: bytes) -> None:
        """Write a value, completely or not at all, over an older one; for derived files only."""
        target = self.path(key)
        aside = self._write_aside(target, value)
        with store_errors(target):
            try:
                aside.replace(target)
            except OSError:
                discard(aside)
                raise
            sync_folder(target.parent)

    def move(self, key: str, new_key: str) -> None:
        """Move a value to a key without a value; FileNotFoundError if there is none to move."""
        target = self.path(new_key)
        make_folder(target.parent)
        with store_errors(target):
            self.path(key).rename(target)
            sync_folder(target.parent)

    def remove(self, key: str) -> None:
        """Remove a key; nothing happens if it has no value."""
        path = self.path(key)
        with store_errors(path):
            path.unlink(missing_ok=True)

    def folders(self, prefix: str) -> "list[str]":
        """Names of the folders directly in a folder, sorted; empty if the folder does not exist."""
        root = self.path(prefix)
        if not root.is_dir():
            return []
        return sorted(path.name for path in root.iterdir() if path.is_dir())

    def list(self, prefix: str, suffix: str) -> Iterator[str]:
        """Keys in a folder and below that end in `suffix`, sorted; hidden files are left out."""
        folder = self.path(prefix)
        for parent, folders, names in os.walk(folder, onerror=_raise_unless_missing):
            folders.sort()
            relative = Path(parent).relative_to(self.root).as_posix()
            for name in sorted(names):
                if name.endswith(suffix) and not name.startswith("."):
                    yield f"{relative}/{name}"

    def _write_aside(self, target: Path, value: bytes) -> Path:
        """Write and fsync the value in a hidden file next to the target."""
        make_folder(target.parent)
        aside = target.parent / f".{target.name}.{secrets.token_hex(4)}"
        with store_errors(target):
            try:
                with aside.open("xb") as file:
                    file.write(value)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                discard(aside)
                raise
        return aside


def _raise_unless_missing(error: OSError) -> None:
    """Raise the error of a folder that cannot be read, which is not an empty folder."""
    with store_errors(Path(error.filename)):
        if not isinstance(error, FileNotFoundError):
            raise error
