"""A disk that forgets what was not synced, as a disk does when the power fails.

The files lie on a real disk; this double stands between Python and `fsync` and remembers what was
synced. After the power loss a file holds what it held at its own last fsync, and a folder the names
that it held at the folder's: neither follows from the other (POSIX promises no more). This is what
LazyFS (Ramos et al., "When Amnesia Strikes", VLDB 2024) does to programs from below.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest


class ForgetfulDisk:
    """Remembers what was synced while it is attached.

    Args:
        patch: Attaches it.
        forgets: Kinds of fsync that do nothing, for controls: "files", "folders".
    """

    def __init__(self, patch: pytest.MonkeyPatch, *, forgets: str = "") -> None:
        self._forgets = forgets
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._held: list[int] = []  # an open file keeps its inode, so that no other file gets it
        patch.setattr(os, "fsync", self._fsync)

    def _fsync(self, handle: int) -> None:
        state, path = os.fstat(handle), Path(f"/proc/self/fd/{handle}").readlink()
        folder = stat.S_ISDIR(state.st_mode)
        if self._forgets == ("folders" if folder else "files"):
            return
        self._held.append(os.dup(handle))
        if folder:
            self._names[state.st_ino] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self._contents[state.st_ino] = path.read_bytes()

    def lose_power(self, root: Path, target: Path, *, keeps_names: bool = False) -> None:
        """Write what is left of a folder to another folder.

        Args:
            root: The folder, whose parent counts as synced.
            target: Where to write what is left.
            keeps_names: Whether names are on the disk at once, as file systems with a journal often
                have them, while contents are not: files are then empty.
        """
        folders = {path.stat().st_ino for path in (root, *root.rglob("*")) if path.is_dir()}
        names: Callable[[int], dict[str, int]] = lambda inode: self._names.get(inode, {})  # noqa: E731
        if keeps_names:
            now = {p.stat().st_ino: p for p in (root, *root.rglob("*")) if p.is_dir()}
            names = lambda i: {entry.name: entry.inode() for entry in os.scandir(now[i])}  # noqa: E731
        folders |= self._names.keys()

        def write(inode: int, path: Path) -> None:
            if inode not in folders:
                path.write_bytes(self._contents.get(inode, b""))
                return
            path.mkdir()
            for name, child in names(inode).items():
                write(child, path / name)

        write(root.stat().st_ino, target)

    def close(self) -> None:
        """Let go of the files."""
        for handle in self._held:
            os.close(handle)
