"""What a place must do to hold the files of a run: a folder on a disk, or an object store.

The safety of the pipeline depends on one operation, `put_if_absent`: of several writers of one key
exactly one wins, and a reader never sees half a value. Nothing is decided by a list of files, which
on some stores is older than the files: lists are for display, for cleaning, and for a first guess
that the key itself then confirms.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.storage.address import Place


@dataclass(frozen=True)
class Entry:
    """A file of a store.

    Attributes:
        key: Its key.
        bytes: Its size.
        changed_ns: When it was written, by the clock of the store, in nanoseconds since 1970.
    """

    key: str
    bytes: int
    changed_ns: int


class Store(Protocol):
    """Files addressed by relative keys with forward slashes.

    All methods raise a RunError if a key leads outside the store, and a StoreError that says what
    to do if the store cannot be read or written.
    """

    @property
    def root(self) -> Place:
        """Where the store is."""
        ...

    def where(self, key: str) -> str:
        """The full name of a key, for messages."""
        ...

    def path(self, key: str) -> Path:
        """The path of a key; StoreError if the store is not on a disk."""
        ...

    def exists(self, key: str) -> bool:
        """Whether the key has a value."""
        ...

    def entry(self, key: str) -> Entry:
        """The size and the time of change of a key; FileNotFoundError if it has no value."""
        ...

    def read(self, key: str) -> bytes:
        """Read the value of a key; FileNotFoundError if it has none."""
        ...

    def local_file(self, key: str) -> AbstractContextManager[Path]:
        """A file on this machine with the value of a key, to be read in the block."""
        ...

    def new_file(self, key: str) -> AbstractContextManager[Path]:
        """A path at which the block writes the value of a new key, which no other process uses."""
        ...

    def put_if_absent(self, key: str, value: bytes) -> bool:
        """Write a value if the key has none yet; whether this call wrote it."""
        ...

    def hint(self, key: str, value: bytes) -> bool:
        """Do as `put_if_absent`, for a value that may be lost."""
        ...

    def replace(self, key: str, value: bytes) -> None:
        """Write a value, completely or not at all, over an older one; for derived files only."""
        ...

    def touch(self, key: str) -> None:
        """Renew the time of change of a key; FileNotFoundError if it has no value."""
        ...

    def move(self, key: str, new_key: str) -> None:
        """Move a value to a key without a value; FileNotFoundError if there is none to move."""
        ...

    def remove(self, key: str) -> None:
        """Remove a key; nothing happens if it has no value."""
        ...

    def folders(self, prefix: str) -> "list[str]":
        """Names of the folders directly in a folder, sorted; empty if the folder does not exist."""
        ...

    def list(self, prefix: str, suffix: str) -> Iterator[str]:
        """Keys in a folder and below that end in `suffix`, sorted; hidden files are left out."""
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files in a folder and below, hidden ones too, with size and time of change."""
        ...
