"""Finds the files of a run folder that no result depends on any more.

An interrupted process leaves files; so does a shard that was set aside. They lie where programs
that read `images/` do not look, or are hidden, so they change no result and only take room.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.storage.shards import ATTEMPTS, RECEIPTS, SUPERSEDED, ShardFolder, set_aside, shard_of
from pipeline.storage.store import Store

_ASIDE = re.compile(r"\..+\.[0-9a-f]{8}")
"""Name of a file or folder that was written aside, to be moved into place when it is whole."""


@dataclass(frozen=True)
class Leftover:
    """A file that no result depends on.

    Attributes:
        key: Its key in the run folder.
        bytes: Its size.
        superseded: Whether it was set aside on purpose, because it was damaged or out of date.
            Otherwise a process left it that was interrupted, or is still at work on it.
    """

    key: str
    bytes: int
    superseded: bool


def leftovers(store: Store) -> Iterator[Leftover]:
    """Find the leftovers of a run: attempts without a receipt, files aside, files set aside.

    A receipt that was set aside is none until its shard is made again.

    A process that is at work writes such files, too: only a run without one may be cleaned.
    """
    for entry in store.entries(""):
        *folders, name = entry.key.split("/")
        top, *below = folders or [""]
        aside = any(_ASIDE.fullmatch(part) for part in (*folders, name))
        if not aside and top not in (ATTEMPTS, SUPERSEDED):
            continue
        if top == ATTEMPTS and _is_committed(store, below, name):
            continue
        if top == SUPERSEDED and _awaits_its_shard(store, below, name):
            continue
        yield Leftover(entry.key, entry.bytes, superseded=top == SUPERSEDED)


def _awaits_its_shard(store: Store, folder: list[str], name: str) -> bool:
    """Whether a receipt that was set aside says that its shard is still to be made again.

    Without it, features of the shard would look as if somebody had deleted their images.
    """
    key = "/".join([*folder, name]).rpartition("-")[0]
    return key.startswith(f"{RECEIPTS}/") and not store.exists(key)


def _is_committed(store: Store, folder: list[str], name: str) -> bool:
    """Whether a receipt names the data file, which then only has to be moved into place."""
    *kind, block = folder or [""]
    shards = ShardFolder(store, "/".join(kind), ())
    return shards.is_named(f"{block}/{name}")


def settle(folder: ShardFolder) -> None:
    """Bring a shard folder in order after interruptions: all its receipts' files, and no others.

    Files that were committed and not yet moved are moved into place. Data files that no receipt
    names are set aside, since programs that read the whole folder would read them, too.
    """
    attempts = f"{ATTEMPTS}/{folder.prefix}"
    for file in _data_files(folder.store, attempts):
        if folder.is_named(file):
            folder.place(file)
    for file in unnamed(folder):
        set_aside(folder.store, f"{folder.prefix}/{file}")


def unnamed(folder: ShardFolder) -> list[str]:
    """List the data files of a shard folder that no receipt names, relative to the folder.

    Receipts are read only where a shard has several files; one file beside a receipt is its own.
    """
    files = _data_files(folder.store, folder.prefix)  # before the receipts, which come first
    shards = Counter(map(shard_of, files))
    return [
        file
        for file in files
        if not folder.store.exists(folder.receipt_key(*shard_of(file)))
        or (shards[shard_of(file)] > 1 and not folder.is_named(file))
    ]


def _data_files(store: Store, folder: str) -> list[str]:
    return [key.removeprefix(f"{folder}/") for key in store.list(folder, ".parquet")]
