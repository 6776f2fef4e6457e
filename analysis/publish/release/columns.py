"""The tables of a release: each column with its type and meaning, said once for all documents."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.publish.base import safe_cell
from pipeline.storage import schema
from pipeline.storage.parquet import write_table
from pipeline.storage.schema import CELL_KEY, PROMPT_FIELDS, Column, Table

PROMPT_ID, SEED = CELL_KEY
RANK = Column("rank", pa.int64(), "Place in the list; 1 is the best, or the worst.")

EVIDENCE = (
    Column("value", pa.float64(), "The metric on prompt set 2."),
    Column("ci_low", pa.float64(), "Lower end of the 95 % interval of `value`."),
    Column("ci_high", pa.float64(), "Upper end of the 95 % interval of `value`."),
    Column("n", pa.int64(), "Images of the seed in prompt set 2.", "images"),
)
PLACES = (
    Column("expected", pa.float64(), "Value to expect on other prompts."),
    Column("rank_set1", pa.float64(), "Rank of the seed on prompt set 1; 1 is best."),
    Column("rank_set2", pa.float64(), "Rank of the seed on prompt set 2; 1 is best."),
)
NULLS = (
    Column("null_low", pa.float64(), "2.5th percentile of a seed's value without a seed effect."),
    Column("null_high", pa.float64(), "97.5th percentile of the same."),
)
LIST = Column("list", pa.string(), "golden, bad, or empty for a seed in neither list.")
ORIGIN = (
    Column("metric", pa.string(), "What the seeds were ranked by."),
    Column("metric_id", pa.string(), "Hash of the metric and its features.", "16 hex digits"),
    Column("unit", pa.string(), "Unit of value, ci_low and ci_high."),
    Column("noise_spec", pa.string(), "Rule that turns the seed into noise; see noise_spec.json."),
    Column("model", pa.string(), "Card of the model."),
    Column("card_sha256", pa.string(), "Hash of the checkpoint's files.", "64 hex digits"),
    Column("revision", pa.string(), "Commit of the checkpoint's repository; empty for a file."),
    Column("resolution", pa.string(), "Width x height of the images.", "pixels"),
    Column("run_id", pa.string(), "Hash of all that defines the images.", "16 hex digits"),
    Column("grid_hash", pa.string(), "Name of the set of cells.", "16 hex digits"),
    Column("demonstration", pa.bool_(), "Whether the model only shows the method."),
)
P_VALUES = (
    Column("p", pa.float64(), "Share of the null's values at least as extreme.", "0..1"),
    Column("p_adj", pa.float64(), "p, adjusted by Holm for all seeds that were tested.", "0..1"),
)
P_BOTH = (
    Column("p_better", pa.float64(), "Share of the null's values at least as good.", "0..1"),
    Column("p_worse", pa.float64(), "Share of the null's values at least as bad.", "0..1"),
)

LISTS = Table("lists", (RANK, SEED, LIST, *EVIDENCE, *P_VALUES, *PLACES, *NULLS, *ORIGIN))
"""The golden and the bad seeds: golden_seeds and bad_seeds."""
SEEDS = Table("seeds", (SEED, LIST, *EVIDENCE, *P_BOTH, *PLACES, *NULLS, *ORIGIN))
"""Each seed that was tested."""
PROMPTS = Table("prompts", (PROMPT_ID, *PROMPT_FIELDS))
"""The prompts of the grid."""

IMAGES = Table("images", tuple(c for c in schema.IMAGES.columns if c.name != "micro_batch"))
"""The images, without the column that depends on how the run was drawn."""

Rows = Sequence[Mapping[str, Any]]


def to_csv(table: Table, rows: Rows) -> bytes:
    """Write rows as CSV; text that looks like a formula is escaped, numbers stay numbers.

    An empty list gives the header alone.

    Args:
        table: The columns.
        rows: The rows; each has all columns.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180: a CR in a cell is quoted
    writer.writerow(table.names)
    writer.writerows([safe_cell(row[name]) for name in table.names] for row in rows)
    return buffer.getvalue().encode()


def parquet_bytes(table: Table, rows: Rows, *, origin: Mapping[str, object]) -> bytes:
    """Write rows as Parquet that `datasets` reads with its own features.

    Args:
        table: The columns.
        rows: The rows; each has all columns.
        origin: Written into the footer as JSON.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        content = pa.Table.from_pylist([dict(row) for row in rows], schema=table.arrow())
        write_table(path, content, provenance=origin)
        return path.read_bytes()


def to_json(document: object) -> bytes:
    r"""Write a document as JSON in which no character hides: controls and marks are escaped.

    Example:
        >>> to_json({"a": "cat\u202e"})
        b'{\n "a": "cat\\u202e"\n}\n'
    """
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    return "".join(map(_escaped, f"{text}\n")).encode()


def _escaped(letter: str) -> str:
    if letter == "\n" or letter.isprintable():
        return letter
    return json.dumps(letter)[1:-1]


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Give the first and the last number of each range without a gap.

    Example:
        >>> ranges([3, 0, 1, 7])
        [(0, 1), (3, 3), (7, 7)]
    """
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
