"""Check the releases of a run against their checksums. A release is never changed."""

from collections.abc import Iterator
from functools import partial

from analysis.publish.base import SUMS, is_safe_name, sums_of
from goldenseed.steps.verify.checked import Checked, look_twice
from pipeline.runs.layout import RELEASES_FOLDER
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.store import LocalStore

ADVICE = "; `goldenseed publish` writes the next version, whole"


def check_releases(store: LocalStore) -> Iterator[Checked]:
    """Check each release; a hidden folder is one that a killed process did not finish."""
    for name in store.folders(RELEASES_FOLDER):
        if not name.startswith("."):
            yield from look_twice(partial(_check_release, store, f"{RELEASES_FOLDER}/{name}"))


def _check_release(store: LocalStore, folder: str) -> list[Checked]:
    sums = store.path(f"{folder}/{SUMS}")
    if not sums.is_file():
        return [Checked(f"{folder}/{SUMS}", f"is missing{ADVICE}")]
    content = sums.read_bytes()
    stated = _read_sums(content)
    root = store.path(folder)
    there = {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}
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


def _problem(store: LocalStore, folder: str, name: str, stated: dict[str, str]) -> str:
    path, sums = store.path(folder) / name, f"{folder}/{SUMS}"
    if name not in stated:
        return f"is not in {sums}{ADVICE}"
    if not is_safe_name(name) or not path.is_file():
        return f"is missing, and {sums} names it{ADVICE}"
    return "" if sha256_of_file(path) == stated[name] else f"is not what {sums} says{ADVICE}"
