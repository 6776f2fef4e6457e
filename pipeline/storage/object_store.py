"""Stores the files of a run in an object store: s3://, gs:// or az://, through obstore.

`put_if_absent` is a conditional put (`If-None-Match: *`, or what the store has for it), which lets
one of several writers win. Each put is whole or absent, so nothing is written aside. Only obstore
sees credentials: it takes them from the environment or from the machine's own role.

obstore repeats a request that fails for some seconds. What fails then is an `UnreachableError`,
after which the same command may be given again later, or another StoreError.
"""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError

from pipeline.errors import RunError, StoreError
from pipeline.failpoints import failpoint
from pipeline.storage.address import Address
from pipeline.storage.object_errors import object_errors
from pipeline.storage.store import Entry

PART_BYTES = 8 * 2**20
"""A file is read in parts of this size, so that no request takes long."""
TRIES = 5
"""How often a conditional put is tried whose winner is gone when it is looked at."""


class ObjectStore:
    """Files below one address, addressed by relative keys with forward slashes.

    Args:
        root: The address.
        client: obstore's store for it.
    """

    def __init__(self, root: Address, client: "obstore.store.ObjectStore") -> None:
        self.root, self._client = root, client

    def where(self, key: str) -> str:
        """The address of a key."""
        return str(self.root / key)

    def path(self, key: str) -> Path:
        """Refuse: a command that needs a path cannot work in an object store."""
        raise StoreError(
            f"{self.where(key)} is in an object store, and this needs files on a disk: copy the "
            f"run with `goldenseed copy {self.root} FOLDER`, and give that folder"
        )

    def exists(self, key: str) -> bool:
        """Whether the key has a value."""
        try:
            self.entry(key)
        except FileNotFoundError:
            return False
        return True

    def entry(self, key: str) -> Entry:
        """The size and the time of change of a key; FileNotFoundError if it has no value."""
        with self._errors(key):
            return _entry(obstore.head(self._client, _checked(key)))

    def read(self, key: str) -> bytes:
        """Read the value of a key; FileNotFoundError if it has none."""
        with self._errors(key):
            return bytes(obstore.get(self._client, _checked(key)).bytes())

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """Download the value of a key to a file, which is removed after the block."""
        with _temporary() as path:
            with self._errors(key), path.open("wb") as file:
                value = obstore.open_reader(self._client, _checked(key), buffer_size=PART_BYTES)
                while part := value.read(PART_BYTES):
                    file.write(part)
            yield path

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        """A path at which the block writes a file, which is uploaded after it."""
        with _temporary() as path:
            yield path
            with self._errors(key):
                obstore.put(self._client, _checked(key), path)

    def put_if_absent(self, key: str, value: bytes) -> bool:
        """Write a value if the key has none yet.

        A put whose answer was lost is repeated by obstore, and then finds its own value.

        Returns:
            True if the value is that of this call; False if the key already had another, which
            stays.
        """
        failpoint("receipt_written")
        for _ in range(TRIES):
            try:
                with self._errors(key):
                    obstore.put(self._client, _checked(key), value, mode="create")
                return True
            except AlreadyExistsError:
                try:
                    return self.read(key) == value
                except FileNotFoundError:  # set aside since, or a put that did not end well
                    continue
        raise StoreError(f"{self.where(key)} is put and removed again and again; try again later")

    def hint(self, key: str, value: bytes) -> bool:
        """Do as `put_if_absent`."""
        return self.put_if_absent(key, value)

    def replace(self, key: str, value: bytes) -> None:
        """Write a value, completely or not at all, over an older one; for derived files only."""
        with self._errors(key):
            obstore.put(self._client, _checked(key), value)

    def touch(self, key: str) -> None:
        """Renew the time of change of a key, which has one writer."""
        self.replace(key, self.read(key))

    def move(self, key: str, new_key: str) -> None:
        """Copy a value to a key without a value, then remove the old key.

        FileNotFoundError if there is none to move. An interruption leaves the value under both
        keys, and the file of a receipt is found under either.
        """
        with self._errors(key):
            obstore.copy(self._client, _checked(key), _checked(new_key))
        self.remove(key)

    def remove(self, key: str) -> None:
        """Remove a key; nothing happens if it has no value."""
        with suppress(FileNotFoundError), self._errors(key):
            obstore.delete(self._client, _checked(key))

    def folders(self, prefix: str) -> "list[str]":
        """Names of the folders directly in a folder, sorted; empty if the folder does not exist."""
        with self._errors(prefix):
            found = obstore.list_with_delimiter(self._client, _checked(prefix))
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found["common_prefixes"])

    def list(self, prefix: str, suffix: str) -> Iterator[str]:
        """Keys in a folder and below that end in `suffix`, sorted; hidden files are left out."""
        for entry in self.entries(prefix):
            if entry.key.endswith(suffix) and not entry.key.rpartition("/")[2].startswith("."):
                yield entry.key

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files in a folder and below, sorted by their keys."""
        with self._errors(prefix):
            batches = [*obstore.list(self._client, _checked(prefix))]
        yield from sorted((_entry(m) for batch in batches for m in batch), key=lambda e: e.key)

    def _errors(self, key: str) -> AbstractContextManager[None]:
        return object_errors(self.where(key))


def _entry(meta: "obstore.ObjectMeta") -> Entry:
    return Entry(meta["path"], meta["size"], int(meta["last_modified"].timestamp() * 1e9))


def _checked(key: str) -> str:
    """Refuse a key that would lead out of the address."""
    if key.startswith("/") or ".." in key.split("/"):
        raise RunError(f"{key!r} leads outside the run")
    return key


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="goldenseed-") as folder:
        yield Path(folder) / "file"
