"""Stores the files of a run in a folder on a disk that all actors see.

`put_if_absent` is a hard link to a finished, fsynced file; where there are no hard links, it is a
rename that replaces nothing.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import RunError
from pipeline.failpoints import failpoint
from pipeline.storage.address import local_path
from pipeline.storage.disk import discard, make_folder, store_errors, sync_folder
from pipeline.storage.placing import place
from pipeline.storage.store import Entry


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

    def where(self, key: str) -> str:
        """The path of a key, for messages."""
        return str(self.path(key))

    def exists(self, key: str) -> bool:
        """Whether the key has a value."""
        return self.path(key).is_file()

    def read(self, key: str) -> bytes:
        """Read the value of a key; FileNotFoundError if it has none."""
        path = self.path(key)
        with store_errors(path):
            return path.read_bytes()

    def entry(self, key: str) -> Entry:
        """The size and the time of change of a key; FileNotFoundError if it has no value."""
        path = self.path(key)
        with store_errors(path):
            state = path.stat()
        return Entry(key, state.st_size, state.st_mtime_ns)

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """A file with the value of a key; it may be missing."""
        yield self.path(key)

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        """A path at which the block writes and flushes the value of a new key."""
        path = self.path(key)
        make_folder(path.parent)
        with store_errors(path):
            yield path

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

    def hint(self, key: str, value: bytes) -> bool:
        """Do as `put_if_absent`, without waiting for the disk: a power cut may lose the value."""
        path = self.path(key)
        make_folder(path.parent)
        with store_errors(path):
            try:
                with path.open("xb") as file:
                    file.write(value)
            except FileExistsError:
                return False
        return True

    def touch(self, key: str) -> None:
        """Renew the time of change of a key; FileNotFoundError if it has no value."""
        os.utime(self.path(key))

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
        for parent, names in self._folders(prefix):
            for name in sorted(names):
                if name.endswith(suffix) and not name.startswith("."):
                    yield (parent / name).as_posix()

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files in a folder and below, hidden ones too, with size and time of change."""
        for parent, names in self._folders(prefix):
            for name in sorted(names):
                try:
                    state = os.lstat(self.root / parent / name)
                except FileNotFoundError:  # another process moved it
                    continue
                yield Entry((parent / name).as_posix(), state.st_size, state.st_mtime_ns)

    def _folders(self, prefix: str) -> Iterator[tuple[Path, Sequence[str]]]:
        """A folder and those below, relative to the root, each with the names of its files."""
        for parent, folders, names in os.walk(self.path(prefix), onerror=_raise_unless_missing):
            folders.sort()
            yield Path(parent).relative_to(self.root), names

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
