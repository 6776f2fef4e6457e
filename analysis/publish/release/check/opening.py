"""Open a release for reading: a folder, or an archive that is unpacked within limits."""

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from analysis.publish.base import SUMS, is_safe_name
from pipeline.errors import RunError

LIST_FILE = "golden_seeds.json"
MOST_FILES = 20_000
MOST_ZIP_BYTES = 4 * 2**30
"""What an archive may hold, unpacked. A larger release is checked as a folder."""
PART = 2**20


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give the folder of a release; an archive is unpacked aside and removed afterwards.

    Args:
        path: A folder, or a .zip archive whose release lies at its top or in one folder.

    Raises:
        RunError: If it is neither, is no release, or breaks a limit.
    """
    if path.is_dir():
        yield _checked_folder(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(prefix="goldenseed-check-") as aside:
            try:
                _unpack(path, Path(aside))
            except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError) as error:
                raise RunError(f"{path} cannot be unpacked: {error}") from error
            yield _checked_folder(Path(aside), path)
    else:
        raise RunError(
            f"{path} is no release: wanted a folder that `goldenseed publish` wrote, or its .zip"
        )


def _checked_folder(folder: Path, path: Path | None = None) -> Path:
    if not any((folder / name).is_file() for name in (SUMS, LIST_FILE)):
        raise RunError(
            f"{path or folder} is no release: it holds neither {SUMS} nor {LIST_FILE}; give the "
            f"folder that `goldenseed publish` wrote, for example RUN/releases/NAME-v1"
        )
    return folder


def _unpack(path: Path, target: Path) -> None:
    """Unpack regular files with safe names, counting bytes as they come out."""
    left = MOST_ZIP_BYTES
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) > MOST_FILES:
            raise RunError(f"{path} holds {len(members):,} files; at most {MOST_FILES:,} are read")
        top = _common_top([member.filename for member in members])
        for member in members:
            name = member.filename.removeprefix(top)
            if not is_safe_name(name) or stat.S_ISLNK(member.external_attr >> 16):
                raise RunError(f"{path} holds {member.filename!r}, which is no file of a release")
            (target / name).parent.mkdir(exist_ok=True)
            with archive.open(member) as source, (target / name).open("xb") as file:
                left -= _copy(source, file, left, path)


def _copy(source: IO[bytes], file: IO[bytes], limit: int, path: Path) -> int:
    """Copy a member, whatever size its header states; give the bytes that came out."""
    size = 0
    while part := source.read(PART):
        size += len(part)
        if size > limit:
            raise RunError(
                f"{path} unpacks to more than {MOST_ZIP_BYTES:,} bytes; unpack it yourself, if you "
                f"trust it, and check the folder"
            )
        file.write(part)
    return size


def _common_top(names: list[str]) -> str:
    """The one folder in which all members lie, with its slash; empty if there is none."""
    top = names[0].partition("/")[0] + "/" if names else ""
    return top if top != "images/" and all(name.startswith(top) for name in names) else ""
