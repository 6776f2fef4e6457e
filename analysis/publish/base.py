"""Define published artifacts, and write a release as a whole, once, with checksums."""

import hashlib
import re
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from analysis.ranking.result import Ranking
from pipeline.errors import RunError, StoreError
from pipeline.runs.run import Run
from pipeline.storage.disk import sync_file, sync_folder
from pipeline.storage.file_hashes import sha256_of_file

SUMS = "SHA256SUMS"
FORMULA_START = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Spreadsheets run a cell that begins with one of these as a formula; the last four are wide."""

Content = bytes | Path
"""What a file of a release holds: its bytes, or a file elsewhere that holds them."""


class Artifact(ABC):
    """Some files of a release. The same run and ranking always give the same bytes."""

    @abstractmethod
    def files(self, run: Run, ranking: Ranking) -> Mapping[str, bytes]:
        """Make the files: file name -> content."""


def check_same_run(run: Run, ranking: Ranking) -> None:
    """Refuse a ranking of another run or of an earlier grid.

    Raises:
        RunError: If run and ranking differ; gives both.
    """
    if (ranking.run_id, ranking.grid_hash) != (run.run_id, run.grid_hash):
        raise RunError(
            f"the ranking is of run {ranking.run_id}, grid {ranking.grid_hash}; this run is "
            f"{run.run_id}, grid {run.grid_hash}: rank it first"
        )


def safe_cell(value: object) -> object:
    """Make a table cell that no spreadsheet takes for a formula; numbers stay as they are.

    Source:
        OWASP, "CSV Injection".

    Example:
        >>> safe_cell("=1+1"), safe_cell(-0.5), safe_cell("a red horse")
        ("'=1+1", -0.5, 'a red horse')
    """
    if isinstance(value, str) and value.startswith(FORMULA_START):
        return f"'{value}"
    return value


def write_release(folder: Path, name: str, files: Mapping[str, Content]) -> Path:
    """Write a release with checksums, or find the version that holds the same bytes.

    Args:
        folder: Folder of all releases.
        name: Name without version.
        files: Name of a file, with "/" where it lies in a subfolder -> content.

    Returns:
        The folder of the release, `<name>-v<k>`.

    Raises:
        RunError: If the name has other characters than letters, digits, dots, underscores and
            dashes.
        StoreError: If the release cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise RunError(f"{name!r} is no name for a release: use letters, digits, '.', '_' and '-'")
    content = {**files, SUMS: sums_of({name: sha256_of(data) for name, data in files.items()})}
    version = 1
    while True:
        target = folder / f"{name}-v{version}"
        if target.exists():
            if target.is_dir() and _holds(target, content):
                return target
        elif _place(target, content):
            return target
        version += 1


def is_safe_name(name: str) -> bool:
    """Whether a file name of a release stays inside its folder, on any system.

    Args:
        name: The name, as SHA256SUMS has it.

    Example:
        >>> is_safe_name("images/train-00000-of-00001.parquet"), is_safe_name("../passwd")
        (True, False)
    """
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?", name)
    return plain is not None


def sums_of(hashes: Mapping[str, str]) -> bytes:
    """Write the lines that `sha256sum --check` reads.

    Args:
        hashes: File name -> sha256 as hex.
    """
    lines = [f"{hashes[name]}  {name}\n" for name in sorted(hashes)]
    return "".join(lines).encode()


def sha256_of(content: Content) -> str:
    """Hash the content of a file.

    Example:
        >>> sha256_of(b"")[:8]
        'e3b0c442'
    """
    if isinstance(content, Path):
        return sha256_of_file(content)
    return hashlib.sha256(content).hexdigest()


def _holds(target: Path, content: Mapping[str, Content]) -> bool:
    """Whether a release consists of exactly these files."""
    paths = {
        path.relative_to(target).as_posix(): path
        for path in target.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    return paths.keys() == content.keys() and all(
        path.is_file() and sha256_of_file(path) == sha256_of(content[name])
        for name, path in paths.items()
    )


def _place(target: Path, content: Mapping[str, Content]) -> bool:
    """Write next to the target, then rename; return False if another process was faster."""
    aside = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    try:
        aside.mkdir(parents=True)
        for name, data in content.items():
            _write(aside / name, data)
        aside.rename(target)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if target.exists():
            return False
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    _sync_folder(target)
    return True


def _write(path: Path, data: Content) -> None:
    path.parent.mkdir(exist_ok=True)
    if isinstance(data, Path):
        shutil.copyfile(data, path)
    else:
        path.write_bytes(data)
    sync_file(path)


def _sync_folder(target: Path) -> None:
    """Flush the name of a release to the disk. The release is there even if this fails."""
    try:
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(
            f"{target} is written and whole, but the disk did not confirm its name "
            f"({error.strerror}); check the disk, then publish again, which finds the same release"
        ) from error
