"""Reads the rows of prompt files: JSONL, JSON, CSV, TSV, plain text and Parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import PromptError
from pipeline.prompts.parquet_rows import PARQUET, Row, read_parquet_rows
from pipeline.prompts.prompt import TEXT_NAMES, parse_prompt_line, sort_fields

__all__ = ["SUFFIXES", "Row", "read_rows"]

Quoting = Literal[0, 3]
"""csv.QUOTE_MINIMAL or csv.QUOTE_NONE."""


def read_rows(path: Path) -> Iterator[Row]:
    """Read the rows of a file; its suffix says how.

    Args:
        path: One of `SUFFIXES`, in UTF-8, with or without a byte order mark; or a folder of
            Parquet files, as a dataset of Hugging Face has.

    Yields:
        The rows in order, blank lines included.

    Raises:
        PromptError: If the file cannot be read, or a row is malformed; the message names the line.
    """
    if path.is_dir() or path.suffix.lower() == PARQUET:
        yield from read_parquet_rows(path)
        return
    text = _decode(path).removeprefix("\ufeff")
    try:
        yield from _READERS[path.suffix.lower()](text)
    except PromptError as error:
        raise PromptError(f"{path}:{error}") from None


def _jsonl(text: str) -> Iterator[Row]:
    for number, line in _lines(text):
        try:
            fields, unused = parse_prompt_line(line) if line.strip() else ({}, ())
        except PromptError as error:
            raise PromptError(f"{number}: {error}") from None
        yield Row(number, fields, unused)


def _json(text: str) -> Iterator[Row]:
    """Read a list of texts or objects, by itself or in an object as its only list."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"1: malformed JSON: {error}") from None
    if isinstance(entries, dict):
        lists = [value for value in entries.values() if isinstance(value, list)]
        entries = lists[0] if len(lists) == 1 else entries
    if not isinstance(entries, list):
        raise PromptError('1: found no list of prompts; wanted ["a horse", {"prompt": "a bowl"}]')
    for number, entry in enumerate(entries, start=1):
        try:
            yield _json_row(number, entry)
        except PromptError as error:
            raise PromptError(f"entry {number}: {error}") from None


def _json_row(number: int, entry: object) -> Row:
    if isinstance(entry, str):
        return Row(number, {"text": entry} if entry.strip() else {})
    if not isinstance(entry, dict):
        raise PromptError(f"found {str(entry)[:60]!r}; wanted a text or an object")
    return Row(number, *sort_fields([(name, v) for name, v in entry.items() if v is not None]))


def _plain(text: str) -> Iterator[Row]:
    for number, line in _lines(text):
        yield Row(number, {"text": line} if line.strip() else {})


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give each line with its number, without the blank lines at the end."""
    lines = text.rstrip("\n\r").split("\n")
    return ((number, line.removesuffix("\r")) for number, line in enumerate(lines, start=1))


def _table(text: str, *, separators: str, quoting: Quoting) -> Iterator[Row]:
    """Read a table whose first line names the columns.

    Excel writes CSV with semicolons where a comma separates decimals, so the separator is the first
    one with which the first line names a column of prompts.
    """
    for separator in separators:
        file = io.StringIO(text, newline="")
        reader = csv.reader(file, delimiter=separator, quoting=quoting, strict=True)
        header = [name.strip() for name in next(_cells(reader), (1, []))[1]]
        if any(name.casefold() in TEXT_NAMES for name in header):
            return _table_rows(reader, header)
    first = text.partition("\n")[0].strip()[:200]
    raise PromptError(
        f"1: the first line is {first!r}, and none of its columns is called prompt, text or "
        f"caption, so the file seems to have no header; write the names of the columns above that "
        f"line, for example `prompt`, or rename the file to .txt if each line is one prompt"
    )


def _table_rows(reader: Any, header: list[str]) -> Iterator[Row]:  # noqa: ANN401 - csv's own type
    for number, cells in _cells(reader):
        if not any(cell.strip() for cell in cells):
            yield Row(number, {})
            continue
        if len(cells) != len(header):
            raise PromptError(f"{number}: found {len(cells)} columns; wanted {len(header)}")
        named = zip(header, cells, strict=True)
        pairs = [(n, cell) for n, cell in named if cell.strip() or n.casefold() in TEXT_NAMES]
        try:
            yield Row(number, *sort_fields(pairs))
        except PromptError as error:
            raise PromptError(f"{number}: {error}") from None


def _cells(reader: Any) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401
    """Give each row of a table with the number of its first line."""
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise PromptError(f"{number}: malformed table: {error}") from None
        if cells is None:
            return
        yield number, cells


def _decode(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PromptError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptError(
            f"{path}:{line}: found byte 0x{data[error.start]:02x} at byte offset {error.start}, "
            "which is not UTF-8; save the file as UTF-8"
        ) from None


_READERS: dict[str, Callable[[str], Iterator[Row]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": partial(_table, separators=",;\t", quoting=csv.QUOTE_MINIMAL),
    ".tsv": partial(_table, separators="\t", quoting=csv.QUOTE_NONE),
    ".txt": _plain,
}
SUFFIXES = (*_READERS, PARQUET)
"""Suffixes of the files that can be read."""
