"""The tables of the repository that the documents take their numbers from."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import yaml

ROOT = Path(__file__).parents[3]
FINDINGS = ROOT / "docs" / "findings"


@cache
def load(name: str) -> Any:  # noqa: ANN401 - what the file holds
    """The contents of a table.

    Args:
        name: a file below docs/findings or below the root: .json, .yaml, .parquet or .jsonl (a list
            of rows). A folder stands for the `numbers` of its summary.json.

    Raises:
        ValueError: if there is no such file.
    """
    path = next((base / name for base in (FINDINGS, ROOT) if (base / name).exists()), None)
    if path is None:
        raise ValueError(f"no table {name}")
    if path.is_dir():
        return load(f"{name}/summary.json")["numbers"]
    return _READERS[path.suffix](path)


def _json(path: Path) -> Any:  # noqa: ANN401 - what the file holds
    return json.loads(path.read_text(encoding="utf-8"))


def _yaml(path: Path) -> Any:  # noqa: ANN401 - what the file holds
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _table(path: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(path).to_dicts()


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


_READERS = {".json": _json, ".jsonl": _lines, ".parquet": _table, ".yaml": _yaml}
