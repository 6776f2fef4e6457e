"""Opens runs of earlier versions, which kept receipts beside the data and sealed no files.

The first command that opens such a run moves and seals its files. Each step is safe by itself, so
an interrupted command leaves a run that the next command completes.
"""

import json
import shutil
from contextlib import suppress

from pipeline.runs.layout import (
    CANARY_FILE,
    CLASSIFIERS_FOLDER,
    FEATURES_FOLDER,
    GRID_FOLDER,
    IMAGES_FOLDER,
    LATENTS_FOLDER,
    PER_SEED_FILE,
    RANKING_FILE,
    RECIPE_FILE,
    RUN_FILE,
    SEARCH_FILE,
    STUDIES_FOLDER,
)
from pipeline.storage.derived import adopt
from pipeline.storage.leftovers import unnamed
from pipeline.storage.local_store import LocalStore
from pipeline.storage.sealed import SEAL, seal
from pipeline.storage.shards import RECEIPTS, SUPERSEDED, ShardFolder, set_aside

OLD_MANIFEST = "manifest.parquet"


def seal_old_files(store: LocalStore) -> None:
    """Seal the files of an old run as they are; run.json last, because it shows an old run.

    A newer run has receipts in their own folder: a file of it that lost its seal stays damaged.

    Raises:
        StoreError: If the folder cannot be written.
    """
    if store.path(RECEIPTS).is_dir() and not _has_old_receipts(store):
        return
    for index, key in enumerate(store.list(GRID_FOLDER, ".json")):
        _seal(store, key, index=index)
    for key in (RECIPE_FILE, CANARY_FILE, RANKING_FILE, SEARCH_FILE, *_summaries(store)):
        _seal(store, key)
    for key in (PER_SEED_FILE, *store.list(CLASSIFIERS_FOLDER, "")):
        adopt(store, key)
    _seal(store, RUN_FILE)


def _summaries(store: LocalStore) -> list[str]:
    return [f"{STUDIES_FOLDER}/{name}/summary.json" for name in store.folders(STUDIES_FOLDER)]


def _seal(store: LocalStore, key: str, **more: int) -> None:
    fields = _without_seal(store, key)
    if fields:
        store.replace(key, seal(fields | more))


def _without_seal(store: LocalStore, key: str) -> dict[str, object]:
    """Read a JSON file that has no seal; empty if it is missing, damaged or sealed."""
    try:
        fields = json.loads(store.read(key))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) and SEAL not in fields else {}


def _has_old_receipts(store: LocalStore) -> bool:
    return store.path(f"{IMAGES_FOLDER}/{RECEIPTS}").is_dir()


def move_old_receipts(store: LocalStore) -> None:
    """Move an old run's receipts out of its data folders; nothing happens to a newer run.

    Data files that no receipt names are set aside.

    Raises:
        StoreError: If the folder cannot be written.
    """
    if not _has_old_receipts(store):
        return
    features = [f"{FEATURES_FOLDER}/{name}" for name in store.folders(FEATURES_FOLDER)]
    for folder in (*features, LATENTS_FOLDER, IMAGES_FOLDER):  # images last: they show an old run
        store.remove(f"{folder}/{OLD_MANIFEST}")
        _move_all(store, f"{folder}/{SUPERSEDED}", f"{SUPERSEDED}/{RECEIPTS}/{folder}")
        _move_all(store, f"{folder}/{RECEIPTS}", f"{RECEIPTS}/{folder}")
        for file in unnamed(ShardFolder(store, folder, ())):
            set_aside(store, f"{folder}/{file}")
        for kind in (SUPERSEDED, RECEIPTS):  # what is left in them was never committed
            shutil.rmtree(store.path(f"{folder}/{kind}"), ignore_errors=True)


def _move_all(store: LocalStore, old: str, new: str) -> None:
    """Move all files of a folder; a file that already has its new name is set aside."""
    for key in [*store.list(old, "")]:
        target = new + key.removeprefix(old)
        if store.exists(target):
            set_aside(store, key)
        else:
            with suppress(FileNotFoundError):  # another process moves it, too
                store.move(key, target)
