"""Reads the rows of prompts in Parquet files, as datasets of Hugging Face have them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PromptError, ShardError
from pipeline.prompts.prompt import TEXT_NAMES, is_field_name, sort_fields
from pipeline.storage.parquet import refuse_unfolding

PARQUET = ".parquet"


@dataclass(frozen=True)
class Row:
    """A row of a prompt file.

    Attributes:
        line: Number of its first line, from 1.
        fields: Name -> value of the fields of a prompt, `text` among them; empty for a blank line.
        unused: Names of its other fields, which nothing reads.
    """

    line: int
    fields: dict[str, Any]
    unused: tuple[str, ...] = ()


def read_parquet_rows(path: Path) -> Iterator[Row]:
    """Read the rows of a file, or of all files in a folder and below, in the order of their names.

    Only columns that a prompt has are read, so that images beside them cost nothing.

    Args:
        path: The file or folder.

    Yields:
        The rows; their lines are counted over all files, from 1.

    Raises:
        PromptError: If a file cannot be read, would take far more memory than its size, or has no
            column of texts; or if the folder has no such file.
    """
    files = sorted(path.rglob(f"*{PARQUET}")) if path.is_dir() else [path]
    if not files:
        raise PromptError(f"{path}: found no {PARQUET} file in this folder; wanted at least one")
    number = 0
    for file in files:
        try:
            for row in _rows(file):
                number += 1
                yield Row(number, *row)
        except (OSError, pa.ArrowException, ShardError, UnicodeDecodeError) as error:
            raise PromptError(f"{file}: cannot be read as Parquet: {error}") from error
        except PromptError as error:
            raise PromptError(f"{file}:{number + 1}: {error}") from None


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        columns = [name for name in names if _is_of_prompts(name, file.schema_arrow)]
        unused = tuple(name for name in names if name not in columns)
        if not any(name.casefold() in TEXT_NAMES for name in columns):
            raise PromptError(
                f"found the columns {', '.join(names)[:200]}; wanted one of texts called prompt, "
                f"text or caption"
            )
        refuse_unfolding(path, file, columns)
        for batch in file.iter_batches(columns=columns):
            for row in batch.to_pylist():
                yield _fields(row, unused)


def _is_of_prompts(name: str, schema: pa.Schema) -> bool:
    """Whether a prompt has such a column; `image` is one only if it holds hashes, as texts."""
    known = is_field_name(name)
    kind = schema.field(name).type
    return known and bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _fields(row: dict[str, Any], unused: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
    pairs = [(name, value) for name, value in row.items() if value not in (None, "")]
    if not any(name.casefold() in TEXT_NAMES for name, _ in pairs):
        return {}, unused  # a blank row
    fields, others = sort_fields(pairs)
    return fields, (*unused, *others)
