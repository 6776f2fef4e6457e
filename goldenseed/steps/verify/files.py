"""Check the files of a run that are no shards: results, condition images, links."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from analysis.ranking.rank import read_saved_ranking
from analysis.studies.results import SUMMARY
from goldenseed.steps.verify.checked import Checked, look_twice
from goldenseed.steps.verify.known import Known
from pipeline.errors import PromptError, RunError
from pipeline.prompts.conditions import FOLDER, Conditions
from pipeline.runs.layout import (
    CANARY_FILE,
    CLASSIFIERS_FOLDER,
    IMPORT_FILE,
    PER_SEED_FILE,
    RANKING_FILE,
    SEARCH_FILE,
    STUDIES_FOLDER,
)
from pipeline.storage.derived import damage_of, receipt_key, sha256_of_key
from pipeline.storage.local_store import LocalStore
from pipeline.storage.manifest import MANIFESTS
from pipeline.storage.sealed import unseal
from pipeline.storage.store import Store


def check_files(known: Known) -> Iterator[Checked]:
    """Check everything but shards and releases."""
    store = known.store
    readers: dict[str, Callable[[bytes], object]] = {
        CANARY_FILE: partial(_unseal_with, field="pixels"),
        IMPORT_FILE: partial(_unseal_with, field="skipped"),
        SEARCH_FILE: partial(_unseal_with, field="grid_hash"),
        RANKING_FILE: partial(read_saved_ranking, run_id=known.run_id),
    }
    for key, read in readers.items():
        yield from look_twice(partial(_check_json, store, key, read))
    for key in _derived(store):
        yield from look_twice(partial(_check_derived, store, key))
    for name in store.folders(STUDIES_FOLDER):
        yield from look_twice(partial(_check_study, store, f"{STUDIES_FOLDER}/{name}"))
    yield from _check_conditions(known)
    yield from _check_links(store)


def _check_json(store: Store, key: str, read: Callable[[bytes], object]) -> list[Checked]:
    try:
        read(store.read(key))
    except FileNotFoundError:
        return []
    except (ValueError, RecursionError, RunError) as error:
        return [Checked(key, f"is damaged: {error}", (key,))]
    return [Checked(key)]


def _unseal_with(content: bytes, field: str) -> None:
    """Check a sealed file, and that it is one of its kind."""
    if field not in unseal(content):
        raise ValueError(f"it has no field {field}")


def _derived(store: Store) -> list[str]:
    """List derived files with a receipt; manifests and classifiers may be removed."""
    has_table = store.exists(PER_SEED_FILE) or store.exists(receipt_key(PER_SEED_FILE))
    return [
        *([PER_SEED_FILE] if has_table else []),
        *store.list(MANIFESTS, ""),
        *store.list(CLASSIFIERS_FOLDER, ""),
    ]


def _check_derived(store: Store, key: str) -> list[Checked]:
    return [Checked(key, damage_of(store, key), (key, receipt_key(key)))]


def _check_study(store: Store, folder: str) -> list[Checked]:
    """Compare the files of a study's folder, which is written as a whole, with its summary."""
    summary = f"{folder}/{SUMMARY}"
    try:
        fields = unseal(store.read(summary))
        stated = fields["files"]
        if fields["study"] != folder.rpartition("/")[2]:
            raise ValueError(f"it is the summary of study {fields['study']}")
    except FileNotFoundError:
        gone = next(store.entries(folder), None) is None  # a repeated study is just replacing it
        return [] if gone else [Checked(summary, "is missing", (folder,))]
    except (ValueError, KeyError, RecursionError) as error:
        return [Checked(summary, f"is damaged: {error}", (folder,))]
    names = {key.removeprefix(f"{folder}/") for key in store.list(folder, "")} - {SUMMARY}
    return [
        Checked(summary),
        *(
            Checked(f"{folder}/{name}", _file_problem(store, folder, name, stated), (folder,))
            for name in sorted(names | set(stated))
        ),
    ]


def _file_problem(store: Store, folder: str, name: str, stated: dict[str, str]) -> str:
    key, summary = f"{folder}/{name}", f"{folder}/{SUMMARY}"
    if name not in stated:
        return f"is not a file that {summary} names"
    try:
        digest = sha256_of_key(store, key)
    except FileNotFoundError:
        return "is missing"
    return "" if digest == stated[name] else f"is not what {summary} says"


def _check_conditions(known: Known) -> Iterator[Checked]:
    conditions = Conditions(known.store.root / FOLDER)
    used = {sha256 for p in known.prompts.values() for sha256 in (p.image, p.mask) if sha256}
    for sha256 in sorted(used):
        try:
            conditions.read(sha256)
            yield Checked(f"{FOLDER}/{sha256}")
        except PromptError as error:
            yield Checked(f"{FOLDER}/{sha256}", str(error), (f"{FOLDER}/{sha256}",))


def _check_links(store: Store) -> Iterator[Checked]:
    """Find links that lead out of the run: what they point to changes without the run."""
    if not isinstance(store, LocalStore):
        return
    root = Path(os.path.realpath(store.root))
    for parent, folders, names in os.walk(store.root):
        for name in sorted([*folders, *names]):
            path = Path(parent, name)
            target = Path(os.path.realpath(path))
            if path.is_symlink() and not target.is_relative_to(root):
                key = path.relative_to(store.root).as_posix()
                yield Checked(key, f"is a link out of the run, to {target}; put a copy there")
