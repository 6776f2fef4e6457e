"""Write and read the results of studies in a run folder.

The results of a study are in `<run>/studies/<name>/`: `summary.json`, a Parquet file per table,
figures as PNG and SVG, and recipes for optional further runs in `recipes/`. They are derived data:
a repeated study replaces them. A study that needs further runs writes no results, but writes
the recipes of these runs to `<run>/wanted/<name>/`. Results hold no time stamp: the same run,
settings and versions give the same bytes.
"""

import math
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analysis.studies.base import LIBRARIES, Findings, Study, StudyTable
from pipeline.errors import RunError
from pipeline.registry import source_sha256
from pipeline.runs.layout import STUDIES_FOLDER, WANTED_FOLDER
from pipeline.runs.run import Run
from pipeline.storage.parquet import file_sha256, read_table, write_table
from pipeline.storage.sealed import seal, unseal
from pipeline.storage.shards import ATTEMPTS

SUMMARY = "summary.json"
SUMMARY_FORM: Mapping[str, type] = {
    **dict.fromkeys(("study", "outcome", "run_id", "grid_hash"), str),
    **dict.fromkeys(("numbers", "settings", "columns", "captions", "files"), dict),
}
"""Fields of a summary that readers count on, and their types."""


def write_wanted(run: Run, study: Study, recipes: Mapping[str, str]) -> tuple[Path, ...]:
    """Write the recipes of the runs that a study needs, replacing older recipes.

    The recipes have a folder of their own, so that the results of an earlier study stay valid.

    Args:
        run: The run.
        study: The study that refused the run.
        recipes: Name of the file, without suffix -> YAML.

    Returns:
        The files.
    """
    folder = f"{WANTED_FOLDER}/{study.name}"
    files = {f"{name}.yaml": text.encode() for name, text in recipes.items()}
    _remove_others(run, folder, files)
    for name, data in files.items():
        run.store.replace(f"{folder}/{name}", data)
    return tuple(run.store.path(f"{folder}/{name}") for name in files)


def write_findings(run: Run, study: Study, findings: Findings) -> Path:
    """Write a study's results, replacing older results.

    Returns:
        The folder.
    """
    folder = f"{ATTEMPTS}/{STUDIES_FOLDER}/{study.name}-{secrets.token_hex(4)}"
    stamp = _stamp(run, study, findings)
    files = {f"{name}.png": figure.png for name, figure in findings.figures.items()}
    files |= {f"{name}.svg": f.svg for name, f in findings.figures.items() if f.svg}
    files |= {f"recipes/{name}.yaml": text.encode() for name, text in findings.recipes.items()}
    names = [f"{name}.parquet" for name in findings.tables]
    for name, data in files.items():
        run.store.replace(f"{folder}/{name}", data)
    for name, table in findings.tables.items():
        _write_table(run, f"{folder}/{name}.parquet", table, stamp)
    hashes = {name: file_sha256(run.store.path(f"{folder}/{name}")) for name in (*files, *names)}
    explained = {name: dict(table.columns) for name, table in findings.tables.items()}
    captions = {name: figure.caption for name, figure in findings.figures.items()}
    summary = {**stamp, "columns": explained, "captions": captions, "files": hashes}
    run.store.replace(f"{folder}/{SUMMARY}", seal(plain(summary)))
    return _put_in_place(run, folder, f"{STUDIES_FOLDER}/{study.name}")


def _put_in_place(run: Run, new: str, folder: str) -> Path:
    """Replace a study's folder as a whole, so that it never holds half of its results."""
    with suppress(FileNotFoundError):
        run.store.move(folder, f"{new}-older")
    run.store.move(new, folder)
    shutil.rmtree(run.store.path(f"{new}-older"), ignore_errors=True)
    return run.store.path(folder)


def _stamp(run: Run, study: Study, findings: Findings) -> dict[str, Any]:
    """The findings with their provenance: the run, the study, and the versions used."""
    built_in = type(study).__module__.startswith("analysis.studies.")
    return {
        "study": study.name,
        "version": study.version,
        "source_sha256": "" if built_in else source_sha256(type(study)),
        "outcome": findings.outcome,
        **study.about(),
        "numbers": findings.numbers,
        "settings": study.settings(),
        "run_id": run.run_id,
        "grid_hash": run.grid_hash,
        "card": run.config.card,
        "card_sha256": run.config.card_sha256,
        "demonstration": run.card.demonstration,
        "identities": findings.identities,
        "rng_seed": study.rng_seed(run),
        "versions": {name: version(name) for name in (*LIBRARIES, *study.libraries)},
    }


def _write_table(run: Run, key: str, table: StudyTable, stamp: Mapping[str, Any]) -> None:
    # A column of nulls alone has no type; every reader understands a column of floats.
    frame = table.frame.with_columns(pl.col(pl.Null).cast(pl.Float64))
    arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    names = ("study", "version", "settings", "run_id", "grid_hash", "identities", "rng_seed")
    provenance = plain({**{name: stamp[name] for name in names}, "columns": table.columns})
    write_table(run.store.path(key), arrow, provenance=provenance)


def _remove_others(run: Run, folder: str, names: Iterable[str]) -> None:
    """Remove files that an earlier version or other settings wrote."""
    keep = {f"{folder}/{name}" for name in names}
    for key in [*run.store.list(folder, "")]:
        if key not in keep:
            run.store.remove(key)


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a study reports
    """Convert a value for JSON: dataclasses to objects, numpy scalars to numbers, NaN to null.

    Example:
        >>> plain({"a": np.float64(0.5), "b": [float("nan"), np.int64(3)]})
        {'a': 0.5, 'b': [None, 3]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_summary(run: Run, name: str) -> dict[str, Any]:
    """Read the summary that a study wrote last.

    Raises:
        RunError: If the study was not run, its results are damaged, or the grid has grown since.
    """
    key = f"{STUDIES_FOLDER}/{name}/{SUMMARY}"
    try:
        summary = unseal(run.store.read(key))
        _refuse_other_form(summary)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"{run.root / key} is missing or damaged ({error}): "
            f"run `goldenseed study {name} {run.root}`"
        ) from error
    if summary["grid_hash"] != run.grid_hash:
        raise RunError(
            f"{run.root / key} is of an earlier grid: repeat `goldenseed study {name} {run.root}`"
        )
    return summary


def _refuse_other_form(summary: Mapping[str, Any]) -> None:
    for name, kind in SUMMARY_FORM.items():
        if not isinstance(summary.get(name), kind):
            raise ValueError(f"its field {name} is missing or no {kind.__name__}")


def read_study_table(run: Run, name: str, table: str) -> pl.DataFrame:
    """Read a table of a study.

    Raises:
        RunError: As for `read_summary`, or if the study has no such table.
    """
    summary = read_summary(run, name)
    known = summary["columns"]
    if table not in known:
        raise RunError(f"study {name} has no table {table!r}; it has {', '.join(known)}")
    path = run.store.path(f"{STUDIES_FOLDER}/{name}/{table}.parquet")
    if file_sha256(path) != summary["files"].get(path.name):
        raise RunError(f"{path} is damaged: repeat `goldenseed study {name} {run.root}`")
    frame = pl.from_arrow(read_table(path))
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"table {table} of study {name} is a {type(frame).__name__}")
    return frame


def outcomes(run: Run) -> dict[str, str]:
    """Return one line per study that was run: its outcome, or that its results are out of date."""
    lines = {}
    for name in run.store.folders(STUDIES_FOLDER):
        try:
            lines[name] = str(read_summary(run, name)["outcome"])
        except RunError:
            lines[name] = f"not of this grid: repeat `goldenseed study {name} {run.root}`"
    return lines
