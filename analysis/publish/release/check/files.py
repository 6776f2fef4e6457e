"""Check the files of a release against SHA256SUMS, without following any link."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from analysis.publish.base import SUMS, is_safe_name, sums_of
from analysis.publish.release.check.found import Findings
from analysis.publish.release.check.opening import MOST_FILES
from pipeline.errors import RunError
from pipeline.storage.file_hashes import sha256_of_file

SUMS_LIMIT = 8 * 2**20
HUB_FILES = (".gitattributes", ".cache")
"""What the hub's own programs put beside a release: never read, never a problem."""

NEEDED = (
    *("CITATION.cff", "README.md", "croissant.json", "noise_spec.json", "prompts.parquet"),
    *(f"{name}_seeds.{kind}" for name in ("bad", "golden") for kind in ("csv", "json", "parquet")),
    *("noise_spec.schema.json", "seed_list.schema.json"),
    *("tested_seeds.csv", "tested_seeds.parquet"),
)
"""Files of each release of the present format."""
ALLOWED = re.compile(r"contact_sheet\.png|metrics\.parquet|images/train-\d{5}-of-\d{5}\.parquet")
OLD = re.compile(r"README\.md|contact_sheet\.png|(golden|bad)_seeds\.(json|csv)")
"""Files of a release of format 1."""


def check_files(folder: Path, findings: Findings) -> dict[str, str]:
    """Compare each file with its checksum.

    Args:
        folder: The release.
        findings: Gets the problems.

    Returns:
        Name -> sha256 of the files that are as SHA256SUMS says.
    """
    there = _list_files(folder, findings)
    stated = _read_sums(folder, there, findings)
    for name in sorted(there - stated.keys() - {SUMS}) if stated else ():
        findings.problem(name, f"is not in {SUMS}")
    whole = {}
    for name, sha256 in stated.items():
        if name not in there:
            findings.problem(name, f"is missing, and {SUMS} names it")
        elif sha256_of_file(folder / name) != sha256:
            findings.problem(name, f"is not what {SUMS} says")
        else:
            whole[name] = sha256
    findings.checked.append(f"checksums of {len(stated):,} files")
    return whole


def check_names(names: set[str], findings: Findings, *, old: bool = False) -> None:
    """Report files that a release lacks, and files that no release has.

    Args:
        names: The files that are as SHA256SUMS says.
        findings: Gets the problems.
        old: Whether the release has format 1.
    """
    reported = {name for name, _ in findings.problems}
    for name in sorted(set() if old else set(NEEDED) - names - reported):
        findings.problem(name, "is missing; each release has it")
    known = OLD if old else ALLOWED
    for name in sorted(names - (set() if old else set(NEEDED))):
        if not known.fullmatch(name):
            findings.problem(name, "is no file of a release")


def _list_files(folder: Path, findings: Findings) -> set[str]:
    """Name the regular files; a link, device or pipe is a problem and is not opened."""
    found = set()
    for count, (name, mode) in enumerate(_walk(folder)):
        if count >= MOST_FILES:
            raise RunError(f"{folder} holds more than {MOST_FILES:,} files; no release does")
        if stat.S_ISREG(mode):
            found.add(name)
        else:
            findings.problem(name, "is a link or a special file; a release holds plain files")
    return found


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the mode of whatever lies in a folder and its subfolders."""
    for root, folders, files in os.walk(folder, followlinks=False):
        if Path(root) == folder:
            folders[:] = [name for name in folders if name not in HUB_FILES]
            files = [name for name in files if name not in HUB_FILES]
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(root) / name
            yield path.relative_to(folder).as_posix(), path.lstat().st_mode


def _read_sums(folder: Path, there: set[str], findings: Findings) -> dict[str, str]:
    """Read SHA256SUMS; a name that leads out of the folder is a problem and is left out."""
    path = folder / SUMS
    if SUMS not in there or path.stat().st_size > SUMS_LIMIT:
        findings.problem(SUMS, "is missing" if SUMS not in there else "is far too long")
        return {}
    content = path.read_bytes()
    lines = (line.partition("  ") for line in content.decode(errors="replace").split("\n") if line)
    stated = {name: sha256 for sha256, _, name in lines}
    if not stated or sums_of(stated) != content:
        findings.problem(SUMS, "is not as `goldenseed publish` writes it")
    for name in [name for name in stated if not is_safe_name(name)]:
        findings.problem(SUMS, f"names {name[:80]!r}, which is no file of a release")
        del stated[name]
    return stated
