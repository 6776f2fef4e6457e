"""Read real images from a folder of image files, or from Parquet files with an image column."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ImageFileError
from pipeline.prompts.image_files import list_image_files
from pipeline.prompts.making.sample import sample_order
from pipeline.storage.schema import IMAGE_TYPE

MOST_IMAGES = 2_000_000
"""Most images of a source: the name of each is kept in memory."""
READ_ROWS = 64
"""Number of rows of a Parquet file that are in memory at once."""


class Source(Protocol):
    """Encoded images in a fixed order.

    Attributes:
        names: Names of the images, in order.
        other_files: Number of files in the same folders that are not images.
    """

    names: Sequence[str]
    other_files: int

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Read the images from `start` up to, but not including, `stop`.

        Yields empty bytes for a row without an image.
        """
        ...


def open_source(path: Path, count: int | None = None) -> Source:
    """Open a folder of image files, a Parquet file, or a folder of Parquet files.

    Args:
        path: The folder or file.
        count: Number of images to use, chosen by the hash of their names; all if None.

    Raises:
        ImageFileError: If the path does not exist, holds nothing that can be read, or holds too
            few images.
    """
    if path.is_file():
        return ParquetSource([path], count)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else []
    return ParquetSource(files, count) if files else FolderSource(path, count)


def _sample(names: Sequence[str], count: int | None, path: Path) -> Sequence[str]:
    """Choose the names with the smallest hashes, and return them in their original order.

    A larger count chooses the same names and more. `goldenseed prompts dense` uses the same hash,
    so both commands choose the same images of a folder for the same count.
    """
    if count is None:
        return names
    if count > len(names):
        raise ImageFileError(
            f"{path} holds {len(names):,} images; {count:,} are wanted: add images, or lower "
            f"--count"
        )
    chosen = set(sorted(names, key=lambda name: sample_order(f"picture {name}"))[:count])
    return [name for name in names if name in chosen]


class FolderSource:
    """The image files in a folder and its subfolders, sorted by name.

    Args:
        folder: The folder.
        count: Number of images to use; all if None.
    """

    def __init__(self, folder: Path, count: int | None = None) -> None:
        self.folder = folder
        names, self.other_files = list_image_files(folder)
        self.names = _sample(names, count, folder)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Read the contents of the files.

        Raises:
            ImageFileError: If a file cannot be read.
        """
        for name in self.names[start:stop]:
            path = self.folder / name
            try:
                data = path.read_bytes()
            except OSError as error:
                raise ImageFileError(
                    f"{path} cannot be read: {error}; make it readable, or remove it"
                ) from error
            yield data


class ParquetSource:
    """The rows of Parquet files, in order; a name is "file#row".

    The image column is the column named "image" or, without such a name, the only column that can
    hold images. Its values are encoded bytes, or structs of bytes and path as the `datasets`
    library of Hugging Face writes them.

    Args:
        files: The files, in order.
        count: Number of rows to use; all if None.
    """

    other_files: int = 0

    def __init__(self, files: Sequence[Path], count: int | None = None) -> None:
        columns = [(path, *_image_column(path)) for path in files]
        _refuse_many(files[0].parent, sum(rows for *_, rows in columns))
        locations = {
            f"{path.name}#{row}": (path, column, row)
            for path, column, rows in columns
            for row in range(rows)
        }
        if not locations:
            raise ImageFileError(f"{files[0].parent}: the Parquet files have no rows")
        self.names = _sample(list(locations), count, files[0].parent)
        self.locations = [locations[name] for name in self.names]

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Read values of the image column.

        Raises:
            ImageFileError: If a file is damaged.
        """
        for (path, column), rows in groupby(self.locations[start:stop], key=itemgetter(0, 1)):
            try:
                yield from _rows(path, column, {row for *_, row in rows})
            except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
                words = " ".join(str(error).split())  # messages of Arrow span several lines
                raise ImageFileError(
                    f"{path} is damaged: {words}; download it again, or remove it"
                ) from error


def _refuse_many(folder: Path, rows: int) -> None:
    """Refuse more rows than a source may have, before any is read."""
    if rows > MOST_IMAGES:
        raise ImageFileError(
            f"{folder}: the Parquet files have {rows:,} rows; wanted at most {MOST_IMAGES:,}: take "
            f"fewer files"
        )


def _image_column(path: Path) -> tuple[str, int]:
    """Find the name of the image column, and the number of rows."""
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise ImageFileError(f"{path} cannot be read as Parquet: {error}") from error
    columns = [field.name for field in schema if _holds_images(field.type)]
    if "image" in columns:
        return "image", rows
    if len(columns) != 1:
        raise ImageFileError(
            f"{path}: found {len(columns)} columns of encoded images ({', '.join(columns)}); "
            f"wanted exactly one, or one that is named 'image'; such a column holds bytes, or "
            f"structs of bytes and path"
        )
    return columns[0], rows


def _holds_images(data_type: pa.DataType) -> bool:
    plain = pa.types.is_binary(data_type) or pa.types.is_large_binary(data_type)
    return bool(plain or data_type == IMAGE_TYPE)


def _rows(path: Path, column: str, wanted: set[int]) -> Iterator[bytes]:
    """Read the values of the wanted rows, in order; row groups without a wanted row are skipped."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        row = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if wanted.isdisjoint(range(row, row + rows)):
                row += rows
                continue
            for batch in file.iter_batches(READ_ROWS, row_groups=[group], columns=[column]):
                for value in batch.column(0).to_pylist():
                    if row in wanted:
                        yield (value["bytes"] if isinstance(value, dict) else value) or b""
                    row += 1


def file_hashes(source: Source) -> Iterator[str]:
    """Compute the sha256 of each image of a source, in order."""
    for data in source.read(0, len(source.names)):
        yield hashlib.sha256(data).hexdigest()


def files_sha256(names: Sequence[str], hashes: Sequence[str]) -> str:
    """Hash the names and hashes of a set of images in any order, as the identity of the set.

    Args:
        names: Names of the images.
        hashes: The sha256 of each image.

    Example:
        >>> files_sha256(["b", "a"], ["2", "1"]) == files_sha256(["a", "b"], ["1", "2"])
        True
    """
    lines = sorted(f"{name} {sha256}" for name, sha256 in zip(names, hashes, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
