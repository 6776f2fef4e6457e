"""Where real images come from: a folder of pictures, or Parquet with an image column."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PictureError
from pipeline.pictures import list_pictures
from pipeline.schema import IMAGE_TYPE

READ_ROWS = 64
"""Rows that are in memory together."""


class Source(Protocol):
    """Encoded images in a fixed order.

    Attributes:
        names: Their names, in order.
        others: Files beside them that are no images.
    """

    names: Sequence[str]
    others: int

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The images from `start` to before `stop`; an empty one where a row holds none."""
        ...


def open_source(path: Path) -> Source:
    """Open a folder of pictures, a Parquet file, or a folder of Parquet files.

    Raises:
        PictureError: If there is nothing at the path, or nothing in it that can be read.
    """
    if path.is_file():
        return ParquetSource([path])
    files = sorted(path.glob("*.parquet")) if path.is_dir() else []
    return ParquetSource(files) if files else FolderSource(path)


class FolderSource:
    """The pictures below a folder, by name.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found, self.others = list_pictures(folder)
        self.names: Sequence[str] = found

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The files' contents."""
        for name in self.names[start:stop]:
            yield (self.folder / name).read_bytes()


class ParquetSource:
    """The rows of Parquet files, by file name and row.

    The image column holds either the encoded bytes, or the struct of bytes and path of the
    Hugging Face `datasets` library; it is the only one of such a type, or named "image".

    Args:
        files: The files, in order.
    """

    others: int = 0

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = [(path, *_image_column(path)) for path in files]
        self.names: Sequence[str] = [
            f"{path.name}#{row}" for path, _, rows in self.files for row in range(rows)
        ]
        if not self.names:
            raise PictureError(f"{files[0].parent}: the Parquet files hold no row")

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The values of the image column."""
        first = 0
        for path, column, rows in self.files:
            low, high = max(start - first, 0), min(stop - first, rows)
            if low < high:
                yield from _rows(path, column, low, high)
            first += rows


def _image_column(path: Path) -> tuple[str, int]:
    """Name of the image column, and the number of rows."""
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise PictureError(f"{path} cannot be read as Parquet: {error}") from error
    found = [field.name for field in schema if _holds_images(field.type)]
    if "image" in found:
        return "image", rows
    if len(found) != 1:
        raise PictureError(
            f"{path}: found {len(found)} columns that could hold images ({', '.join(found)}); "
            f"wanted one, or one named 'image', of bytes or of a struct with bytes"
        )
    return found[0], rows


def _holds_images(kind: pa.DataType) -> bool:
    plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(plain or kind == IMAGE_TYPE)


def _rows(path: Path, column: str, low: int, high: int) -> Iterator[bytes]:
    with pq.ParquetFile(path) as file:
        groups, skip, at = [], 0, 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if at + rows <= low:
                skip += rows
            elif at < high:
                groups.append(group)
            at += rows
        place = skip
        for batch in file.iter_batches(READ_ROWS, row_groups=groups, columns=[column]):
            for value in batch.column(0).to_pylist():
                if low <= place < high:
                    yield (value["bytes"] if isinstance(value, dict) else value) or b""
                place += 1


def file_hashes(source: Source) -> Iterator[str]:
    """The sha256 of every image file of a source, in order."""
    for data in source.read(0, len(source.names)):
        yield hashlib.sha256(data).hexdigest()


def files_sha256(names: Sequence[str], hashes: Sequence[str]) -> str:
    """Hash of a file list with the files' hashes: names a set of images for ever.

    Args:
        names: Names of the images.
        hashes: The sha256 of each.

    Example:
        >>> files_sha256(["b", "a"], ["2", "1"]) == files_sha256(["a", "b"], ["1", "2"])
        True
    """
    lines = sorted(f"{name} {sha256}" for name, sha256 in zip(names, hashes, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
