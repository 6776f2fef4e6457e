"""Check that the tables of a release hold what its documents say."""

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from analysis.publish.base import safe_cell
from analysis.publish.release.check.documents import LIMIT, Documents
from analysis.publish.release.check.found import Findings
from analysis.publish.release.columns import IMAGES, LISTS, PROMPTS, SEEDS
from analysis.publish.release.formats import SeedListFile
from pipeline.errors import GoldenseedError, ShardError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.storage.parquet import read_table
from pipeline.storage.schema import PER_SEED, Table

Rows = list[dict[str, Any]]
MOST_ROWS = 200_000
"""Most rows of a table of seeds or prompts: Parquet stores any number of equal rows in no space."""


def check_tables(
    folder: Path, documents: Documents, hashes: Mapping[str, str], findings: Findings
) -> None:
    """Compare CSV and Parquet with the JSON lists, and the other tables with their columns.

    Args:
        folder: The release.
        documents: Its documents.
        hashes: The files that are as SHA256SUMS says.
        findings: Gets the problems.
    """
    tables = _Tables(folder, hashes, findings)
    for listed in (documents.golden, documents.bad):
        rows = rows_of(listed)
        name = f"{listed.list_name}_seeds"
        tables.compare(f"{name}.csv", tables.csv(f"{name}.csv", LISTS), _cells(LISTS, rows))
        tables.compare(f"{name}.parquet", tables.parquet(f"{name}.parquet", LISTS), rows)
    _check_tested(tables, documents)
    _check_prompts(tables, documents)
    for name in hashes:
        if name == "metrics.parquet" or name.startswith("images/"):
            tables.check_columns(name, PER_SEED if name == "metrics.parquet" else IMAGES)
    findings.checked.append("CSV and Parquet against the JSON lists, prompts against their ids")


def rows_of(listed: SeedListFile) -> Rows:
    """Make the rows of the table that a list becomes."""
    constants = {
        **_origin(listed),
        "list": listed.list_name,
        "metric_id": listed.metric.metric_id,
        "unit": listed.metric.unit,
    }
    return [
        {key: {**row.model_dump(), **constants}[key] for key in LISTS.names}
        for row in listed.seeds
    ]  # fmt: skip


def _origin(listed: SeedListFile) -> dict[str, Any]:
    width, height = listed.sampling.get("width"), listed.sampling.get("height")
    return {
        "metric": listed.metric.name,
        "noise_spec": listed.noise.noise_spec,
        "model": listed.model.card,
        "card_sha256": listed.model.card_sha256,
        "revision": listed.model.revision,
        "resolution": f"{width}x{height}",
        "run_id": listed.run_id,
        "grid_hash": listed.grid_hash,
        "demonstration": listed.demonstration,
    }


def _check_tested(tables: "_Tables", documents: Documents) -> None:
    """Compare both forms of tested_seeds with each other and with the lists."""
    rows = tables.parquet("tested_seeds.parquet", SEEDS)
    if rows is None:
        return
    name = "tested_seeds.csv"
    tables.compare(name, tables.csv(name, SEEDS), _cells(SEEDS, rows))
    by_seed = {row["seed"]: row for row in rows}
    problem = tables.findings.problem
    if len(rows) != len(by_seed) or len(rows) != documents.golden.tested.seeds:
        problem("tested_seeds.parquet", "does not hold each tested seed once")
    listed = {r["seed"]: r for d in (documents.golden, documents.bad) for r in rows_of(d)}
    for seed, row in by_seed.items():
        expected = {k: v for k, v in listed.get(seed, {}).items() if k in SEEDS.names}
        if {**row, "list": row["list"] or ""} != {**row, "list": "", **expected}:
            problem("tested_seeds.parquet", f"seed {seed} is not as the lists say")
            return
    if listed.keys() - by_seed.keys():
        problem("tested_seeds.parquet", "lacks a listed seed")


def _check_prompts(tables: "_Tables", documents: Documents) -> None:
    """Compute the id of each prompt from its text, and the hash of all ids."""
    name, rows = "prompts.parquet", tables.parquet("prompts.parquet", PROMPTS)
    if rows is None:
        return
    ids = "".join(f"{row['prompt_id']}\n" for row in rows)
    tested = documents.golden.tested
    problem = tables.findings.problem
    if (hashlib.sha256(ids.encode()).hexdigest(), len(rows)) != (
        tested.prompts_sha256,
        tested.prompts,
    ):
        problem(name, "holds other prompts than the lists were tested on")
    try:
        wrong = [row["prompt_id"] for row in rows if _prompt_id(row) != row["prompt_id"]]
    except (GoldenseedError, TypeError, AttributeError) as error:
        problem(name, f"holds a prompt that is none: {str(error)[:200]}")
        return
    if wrong:
        problem(name, f"the text of prompt {wrong[0][:16]} has another id")


def _prompt_id(row: Mapping[str, Any]) -> str:
    return Prompt(row["text"], image=row["prompt_image"], mask=row["prompt_mask"]).id


def _cells(table: Table, rows: Rows) -> list[dict[str, str]]:
    """Write values as `to_csv` does."""
    return [
        {
            name: "" if row[name] is None else str(safe_cell(row[name]))
            for name in table.names
        }
        for row in rows
    ]  # fmt: skip


class _Tables:
    """Reads the tables of a release within limits."""

    def __init__(self, folder: Path, hashes: Mapping[str, str], findings: Findings) -> None:
        self.folder, self.hashes, self.findings = folder, hashes, findings

    def csv(self, name: str, table: Table) -> list[dict[str, str]] | None:
        """Read a CSV file as text; None, with a problem, if that is impossible."""
        if name not in self.hashes or not self._is_small(name):
            return None
        try:
            text = (self.folder / name).read_bytes().decode()
            header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
            if header != table.names:
                raise ValueError(f"its columns are not {', '.join(table.names)}")
            return [dict(zip(header, row, strict=True)) for row in rows]
        except (ValueError, csv.Error) as error:
            self.findings.problem(name, f"cannot be read: {str(error)[:400]}")
            return None

    def parquet(self, name: str, table: Table) -> Rows | None:
        """Read a Parquet file; None, with a problem, if that is impossible."""
        if name not in self.hashes or not self._is_small(name):
            return None
        if not self.check_columns(name, table):
            return None
        count = pq.read_metadata(self.folder / name).num_rows
        if count > MOST_ROWS:
            self.findings.problem(name, f"has {count:,} rows; at most {MOST_ROWS:,} are read")
            return None
        try:
            rows: Rows = read_table(self.folder / name).to_pylist()
        except ShardError as error:
            self.findings.problem(name, f"cannot be read: {error}"[:400])
            return None
        return rows

    def check_columns(self, name: str, table: Table) -> bool:
        """Compare the columns of a Parquet file; only its footer is read."""
        try:
            schema = pq.read_schema(self.folder / name)
        except (OSError, ValueError) as error:  # arrow's errors are ValueErrors
            self.findings.problem(name, f"cannot be read: {str(error)[:400]}")
            return False
        same = schema.equals(table.arrow(), check_metadata=False)
        if not same:
            self.findings.problem(name, f"its columns are not {', '.join(table.names)}")
        return bool(same)

    def compare(self, name: str, found: object, expected: object) -> None:
        """Report a table whose rows are not the expected ones."""
        if found is not None and found != expected:
            self.findings.problem(name, "is not what the JSON list says")

    def _is_small(self, name: str) -> bool:
        size = (self.folder / name).stat().st_size
        if size > LIMIT:
            self.findings.problem(name, f"has {size:,} bytes; at most {LIMIT:,} are read")
        return size <= LIMIT
