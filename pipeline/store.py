"""Where files live: a folder on a disk that every actor sees.

The one operation that the whole pipeline's safety rests on is `put_if_absent`: of several
writers of one key exactly one wins, and a reader never sees half a value. On a local or
network disk that is a hard link of a finished, fsynced file; on an object store it is a
conditional put (`If-None-Match: *`), which is why nothing here renames data.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import RunError
from pipeline.failpoints import failpoint


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
        self.root = Path(root).absolute()

    def path(self, key: str) -> Path:
        """The place of a key.

        Raises:
            RunError: If the key would lead outside the root.
        """
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise RunError(f"{key!r} leads outside the folder {self.root}")
        return path

    def exists(self, key: str) -> bool:
        """Whether the key holds a value."""
        return self.path(key).exists()

    def read(self, key: str) -> bytes:
        """The value of a key; FileNotFoundError if there is none."""
        return self.path(key).read_bytes()

    def put_if_absent(self, key: str, value: bytes) -> bool:
        """Write a value if the key has none yet.

        Returns:
            True if this call wrote it; False if the key already had a value, which stays.
        """
        target = self.path(key)
        aside = self._write_aside(target, value)
        failpoint("receipt_written")
        try:
            os.link(aside, target)
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        sync_file(target.parent)
        return True

    def replace(self, key: str, value: bytes) -> None:
        """Write a value whatever was there, whole or not at all: for derived files only."""
        target = self.path(key)
        self._write_aside(target, value).replace(target)
        sync_file(target.parent)

    def move(self, key: str, new_key: str) -> None:
        """Move a value to a key that has none."""
        target = self.path(new_key)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path(key).rename(target)

    def remove(self, key: str) -> None:
        """Forget a key; nothing happens if it has no value."""
        self.path(key).unlink(missing_ok=True)

    def list(self, prefix: str, suffix: str) -> Iterator[str]:
        """Keys below a folder that end in `suffix`, in sorted order; leftovers are hidden."""
        folder = self.path(prefix)
        for parent, folders, names in os.walk(folder):
            folders.sort()
            relative = Path(parent).relative_to(self.root.resolve()).as_posix()
            for name in sorted(names):
                if name.endswith(suffix) and not name.startswith("."):
                    yield f"{relative}/{name}"

    def _write_aside(self, target: Path, value: bytes) -> Path:
        """Write and fsync the value under a hidden name of its own beside the target."""
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.parent / f".{target.name}.{secrets.token_hex(4)}"
        try:
            with aside.open("xb") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        return aside
