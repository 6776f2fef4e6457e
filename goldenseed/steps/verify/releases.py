"""Check the releases of a run against their checksums. A release is never changed."""

from collections.abc import Iterator
from functools import partial

from analysis.publish.base import SUMS, is_safe_name, sums_of
from goldenseed.steps.verify.checked import Checked, look_twice
from pipeline.runs.layout import RELEASES_FOLDER
from pipeline.storage.derived import sha256_of_key
from pipeline.storage.store import Store

ADVICE = "; `goldenseed publish` writes the next version, whole"


def check_releases(store: Store) -> Iterator[Checked]:
    """Check each release; a hidden folder is one that a killed process did not finish."""
    for name in store.folders(RELEASES_FOLDER):
        if not name.startswith("."):
            yield from look_twice(partial(_check_release, store, f"{RELEASES_FOLDER}/{name}"))


def _check_release(store: Store, folder: str) -> list[Checked]:
    try:
        content = store.read(f"{folder}/{SUMS}")
    except FileNotFoundError:
        return [Checked(f"{folder}/{SUMS}", f"is missing{ADVICE}")]
    stated = _read_sums(content)
    there = {entry.key.removeprefix(f"{folder}/") for entry in store.entries(folder)}
    names = sorted((there | set(stated)) - {SUMS})
    whole = stated and sums_of(stated) == content
    return [
        Checked(f"{folder}/{SUMS}", "" if whole else f"is not as it was written{ADVICE}"),
        *(Checked(f"{folder}/{name}", _problem(store, folder, name, stated)) for name in names),
    ]


def _read_sums(content: bytes) -> dict[str, str]:
    """Read the lines of SHA256SUMS: file name -> hash."""
    lines = (line.partition("  ") for line in content.decode(errors="replace").split("\n") if line)
    return {name: sha256 for sha256, _, name in lines}


def _problem(store: Store, folder: str, name: str, stated: dict[str, str]) -> str:
    sums = f"{folder}/{SUMS}"
    if name not in stated:
        return f"is not in {sums}{ADVICE}"
    if not is_safe_name(name) or not store.exists(f"{folder}/{name}"):
        return f"is missing, and {sums} names it{ADVICE}"
    digest = sha256_of_key(store, f"{folder}/{name}")
    return "" if digest == stated[name] else f"is not what {sums} says{ADVICE}"
