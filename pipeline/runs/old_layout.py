"""Opens runs of earlier versions, which kept receipts and manifests beside the data.

The files are moved once, by the first command that opens the run. Each move is safe by itself, so
an interrupted command leaves a run that the next command completes.
"""

import shutil
from contextlib import suppress

from pipeline.runs.layout import FEATURES_FOLDER, IMAGES_FOLDER, LATENTS_FOLDER
from pipeline.storage.leftovers import unnamed
from pipeline.storage.manifest import MANIFEST_FILE
from pipeline.storage.shards import RECEIPTS, SUPERSEDED, ShardFolder, set_aside
from pipeline.storage.store import LocalStore


def move_old_layout(store: LocalStore) -> None:
    """Move the receipts of an old run out of its data folders; nothing happens to a newer run.

    Data files that no receipt names, or only a superseded one, are set aside.

    Raises:
        StoreError: If the folder cannot be written.
    """
    if not store.path(f"{IMAGES_FOLDER}/{RECEIPTS}").is_dir():
        return
    features = [f"{FEATURES_FOLDER}/{name}" for name in store.folders(FEATURES_FOLDER)]
    for folder in (*features, LATENTS_FOLDER, IMAGES_FOLDER):  # images last: they show an old run
        store.remove(f"{folder}/{MANIFEST_FILE}")
        for kind in (SUPERSEDED, RECEIPTS):
            _move_all(store, f"{folder}/{kind}", f"{kind}/{folder}")
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
