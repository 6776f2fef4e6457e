"""Reads a table of images: a CSV with the columns file, prompt, seed, and perhaps others."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ImageFileError
from pipeline.imported.origin import Origin, whole
from pipeline.imported.skipped import Skipped
from pipeline.prompts.prompt import LABELS, TEXT_NAMES

SETTINGS = ("model", "sampler", "scheduler", "steps", "cfg_scale", "negative")
"""Columns that become settings of an image."""
SYNONYMS = {**dict.fromkeys(TEXT_NAMES, "prompt"), "guidance_scale": "cfg_scale"}
LABEL_COLUMNS = (*LABELS, "group")


@dataclass(frozen=True)
class Listed:
    """A row of the table.

    Attributes:
        file: Name of the image, relative to the folder of the table.
        origin: What the row says; empty where a cell is empty.
    """

    file: str
    origin: Origin


def read_listing(path: Path, skipped: Skipped) -> list[Listed]:
    """Read a table of images.

    Args:
        path: A .csv in UTF-8 whose first line names the columns. `file` is required; `prompt`,
            `seed`, `negative`, `category`, `challenge`, `group`, `model`, `sampler`, `scheduler`,
            `steps` and `cfg_scale` are read, too. What a row does not say is read from the image.
        skipped: Takes columns that are not used, and files outside the folder.

    Raises:
        ImageFileError: If the table cannot be read, has no column `file`, or a row is malformed.
    """
    rows = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        columns = [SYNONYMS.get(n.strip().casefold(), n.strip().casefold()) for n in next(rows)]
        _check_columns(path, columns, skipped)
        return [*_rows(path, rows, columns, skipped)]
    except StopIteration:
        raise ImageFileError(f"{path} is empty; wanted the columns file, prompt, seed") from None
    except csv.Error as error:
        raise ImageFileError(f"{path}:{rows.line_num}: malformed table: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ImageFileError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None


def _check_columns(path: Path, columns: list[str], skipped: Skipped) -> None:
    if "file" not in columns:
        raise ImageFileError(
            f"{path}:1: found the columns {', '.join(columns)[:200]!r}; wanted file, prompt, seed"
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ImageFileError(f"{path}:1: found the column {twice[0]!r} twice; keep one of them")
    for name in columns:
        if name not in ("file", "prompt", "seed", *SETTINGS, *LABEL_COLUMNS):
            skipped.add("column that is not used", name)


def _rows(path: Path, rows: Any, columns: list[str], skipped: Skipped) -> Iterator[Listed]:  # noqa: ANN401
    for cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}:{rows.line_num}"
        if len(cells) != len(columns):
            raise ImageFileError(f"{where}: found {len(cells)} columns; wanted {len(columns)}")
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        if row["file"] and _is_inside(path.parent, row["file"]):
            yield Listed(row["file"], _origin(row, where))
        else:
            skipped.add("file outside the folder of the table", row["file"] or "(no name)")


def _is_inside(folder: Path, name: str) -> bool:
    """Whether a name leads to a place in the folder, links included."""
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # a NUL, a circle of links
        return False


def _origin(row: Mapping[str, str], where: str) -> Origin:
    seed = row.get("seed", "")
    if seed and whole(seed) is None:
        raise ImageFileError(f"{where}: found {seed[:60]!r} as seed; wanted a whole number")
    return Origin(
        "table",
        row.get("prompt", ""),
        whole(seed),
        {name: row[name] for name in sorted(SETTINGS) if row.get(name)},
        {name: row[name] for name in LABEL_COLUMNS if row.get(name)},
    )


def joined(listed: Origin, read: Origin) -> Origin:
    """Join what a table says of an image with what the image says; the table goes first."""
    return Origin(
        read.tool if read.tool not in ("", "name") else listed.tool,
        listed.prompt or read.prompt,
        read.seed if listed.seed is None else listed.seed,
        dict(sorted({**read.settings, **listed.settings}.items())),
        {**read.labels, **listed.labels},
    )
