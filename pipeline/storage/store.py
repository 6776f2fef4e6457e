"""Where files live: a folder on a disk that every actor sees.

The one operation that the whole pipeline's safety rests on is `put_if_absent`: of several
writers of one key exactly one wins, and a reader never sees half a value. On a local or
network disk that is a hard link of a finished, fsynced file; on an object store it is a
conditional put (`If-None-Match: *`), which is why nothing here renames data.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import RunError, StoreError
from pipeline.failpoints import failpoint

REMEDIES = {
    errno.ENOSPC: "the disk is full; make room, or choose another folder",
    errno.EDQUOT: "your quota is used up; make room, or choose another folder",
    errno.EACCES: "there is no permission; change it, or choose another folder",
    errno.EPERM: "the system forbids it; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EIO: "the disk reports an error; check it, or choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EOPNOTSUPP: "the file system has no hard links, which commits rest on; choose another",
}
"""What to do about an error of the operating system."""


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about a place into one that says what to do.

    A missing file and one that is already there are answers, and pass as they are.

    Args:
        path: What is read or written inside the block.

    Raises:
        StoreError: Full disk, no permission, read-only or broken disk.
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
    """Make a folder and those above it, unless they are there.

    Raises:
        StoreError: If it cannot be made, or a file has its name.
    """
    with store_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise StoreError(f"{path} is a file; a folder is wanted, choose another") from error


def sync_file(path: Path) -> None:
    """Flush a file or folder to the disk, so that it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class LocalStore:
    """Files under one root folder, addressed by relative keys with forward slashes.

    Args:
        root: The folder. Made at the first write.

    Example:
        >>> import tempfile
        >>> store = LocalStore(Path(tempfile.mkdtemp()))
        >>> store.put_if_absent("a/b.json", b"1"), store.put_if_absent("a/b.json", b"2")
        (True, False)
        >>> store.read("a/b.json")
        b'1'
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.normpath(Path(root).absolute()))

    def path(self, key: str) -> Path:
        """The place of a key.

        Raises:
            RunError: If the key would lead outside the root.
        """
        # By name alone: asking the disk about every part of the path costs more than a read.
        path = Path(os.path.normpath(self.root / key))
        if not path.is_relative_to(self.root):
            raise RunError(f"{key!r} leads outside the folder {self.root}")
        return path

    def exists(self, key: str) -> bool:
        """Whether the key holds a value."""
        return self.path(key).exists()

    def read(self, key: str) -> bytes:
        """The value of a key; FileNotFoundError if there is none."""
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
            # Saves the write in a run that goes on; of writers at once the link decides.
            if target.exists():
                return False
        aside = self._write_aside(target, value)
        failpoint("receipt_written")
        with store_errors(target):
            try:
                os.link(aside, target)
            except FileExistsError:
                # On a network disk the link may be made and the answer be lost; the number
                # of the file's names tells.
                if aside.stat().st_nlink < 2:
                    return False
            finally:
                aside.unlink()
            sync_file(target.parent)
        return True

    def replace(self, key: str, value: bytes) -> None:
        """Write a value whatever was there, whole or not at all: for derived files only."""
        target = self.path(key)
        aside = self._write_aside(target, value)
        with store_errors(target):
            try:
                aside.replace(target)
            except OSError:
                aside.unlink()
                raise
            sync_file(target.parent)

    def move(self, key: str, new_key: str) -> None:
        """Move a value to a key that has none; FileNotFoundError if there is no value."""
        target = self.path(new_key)
        make_folder(target.parent)
        with store_errors(target):
            self.path(key).rename(target)

    def remove(self, key: str) -> None:
        """Forget a key; nothing happens if it has no value."""
        path = self.path(key)
        with store_errors(path):
            path.unlink(missing_ok=True)

    def folders(self, prefix: str) -> "list[str]":
        """Names of the folders directly below a folder, sorted; none if it is not there."""
        root = self.path(prefix)
        return sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []

    def list(self, prefix: str, suffix: str) -> Iterator[str]:
        """Keys below a folder that end in `suffix`, in sorted order; leftovers are hidden."""
        folder = self.path(prefix)
        for parent, folders, names in os.walk(folder, onerror=_raise_unless_missing):
            folders.sort()
            relative = Path(parent).relative_to(self.root).as_posix()
            for name in sorted(names):
                if name.endswith(suffix) and not name.startswith("."):
                    yield f"{relative}/{name}"

    def _write_aside(self, target: Path, value: bytes) -> Path:
        """Write and fsync the value under a hidden name of its own beside the target."""
        make_folder(target.parent)
        aside = target.parent / f".{target.name}.{secrets.token_hex(4)}"
        with store_errors(target):
            try:
                with aside.open("xb") as file:
                    file.write(value)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
        return aside


def _raise_unless_missing(error: OSError) -> None:
    """A folder that cannot be read is not an empty one."""
    with store_errors(Path(error.filename)):
        if not isinstance(error, FileNotFoundError):
            raise error
