"""Print results on stdout: tables for people, JSON for programs."""

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import TextWrapper

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.storage.address import Address, Place

Row = Mapping[str, object]
WIDE = 160
"""Columns of a page that is no terminal, such as a file or a pipe, unless COLUMNS is set."""


def line(text: str) -> None:
    """Print a line of text, folded between words where the width of the page is known.

    A file or a pipe gets it as one line, which programs can search.
    """
    width = _page_width()
    for part in text.split("\n"):
        _write("\n".join(_fold(part, width)) if width else part)


def document(text: str) -> None:
    """Print a text for programs, such as a recipe or a script, in UTF-8 and never folded."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    _write(text)


def _page_width() -> int | None:
    """Columns of the terminal, or those that COLUMNS says; None if nobody says."""
    is_known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False).width if is_known else None


def _fold(text: str, width: int) -> list[str]:
    """Fold a line between words, so that a path or a name stays whole."""
    fold = TextWrapper(
        width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return fold.wrap(text) or [""]


def _write(text: str) -> None:
    """Write a text and a line end.

    If the reader of a pipe is gone, as after `| head -1`, the rest is dropped and the command
    ends with the exit code that it would have had.
    """
    try:
        sys.stdout.write(_encodable(text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encodable(text: str) -> str:
    """Write letters that the encoding of the standard output lacks as their numbers."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    if _encodable(text) != text:
        text = json.dumps(value, indent=1, default=str)
    _write(text)


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Print rows with the same keys as a table, or as blocks where the page is too narrow for it.

    Args:
        title: What the rows are.
        rows: Column name -> value; values are printed as they are, never as markup.
    """
    page = Console(width=_page_width() or WIDE, highlight=False)
    if _least_width(rows) > page.width:
        for text in _blocks(title, rows, page.width):
            _write(text)
        return
    with page.capture() as capture:
        page.print(_table(title, rows))
    _write(capture.get().rstrip("\n"))


def _least_width(rows: Sequence[Row]) -> int:
    """Width of a table in which no word is folded; a column has two spaces and a border."""
    columns = [(name, *(str(row[name]) for row in rows)) for name in (rows[0] if rows else ())]
    words = [[len(word) for text in column for word in text.split()] for column in columns]
    return sum(max(lengths, default=0) + 3 for lengths in words) + 1


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(str(value))) for value in row.values()))
    return table


def _blocks(title: str, rows: Sequence[Row], width: int) -> list[str]:
    """Lines of one value each, and a blank line between two rows.

    Long lines are folded between words.
    """
    blocks = [[f"{name}: {plain(str(value))}" for name, value in row.items()] for row in rows]
    texts = [title, *(text for block in blocks for text in ("", *block)), ""]
    return [part for text in texts for part in _fold(text, width)]


def plain(text: str) -> str:
    r"""Remove control characters, which could move a terminal's cursor or change its colours.

    Example:
        >>> plain("a \x1b[31mcup")
        'a [31mcup'
    """
    return "".join(letter for letter in text if letter.isprintable() or letter == " ")


def number_of_bytes(count: float) -> str:
    """Write a size in the unit that people would use.

    Example:
        >>> number_of_bytes(512), number_of_bytes(48_700_000), number_of_bytes(8.7e12)
        ('512 B', '48.7 MB', '8.7 TB')
    """
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:z.0f} {units[0]}" if units[0] == "B" else f"{count:z.1f} {units[0]}"


def short_path(path: Place) -> Place:
    """Shorten a path below the current folder to the part below it."""
    if isinstance(path, Address):
        return path
    current = Path.cwd()
    return path.relative_to(current) if path.is_relative_to(current) else path
