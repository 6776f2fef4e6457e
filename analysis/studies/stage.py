"""Studies on the executors, and their results in the run folder.

A study's results are derived, rebuilt at will: `<run>/studies/<name>/` with `summary.json`
(written last), a Parquet file per table, PNG pictures and, in `recipes/`, what could be drawn in
addition. A study that lacks what a recipe can draw writes no results, but the recipe, to
`<run>/wanted/<name>/`. No clock: the same run, settings and versions give the same bytes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl

from analysis.studies import Findings, Study, StudyTable, load_study
from analysis.studies.base import LIBRARIES, NotDrawnError
from pipeline.errors import GoldenseedError, RunError, StoreError
from pipeline.registry import source_sha256
from pipeline.runs.run import Run
from pipeline.stage import Outcome, Resources
from pipeline.storage.shards import file_sha256, read_table, replace_table

FOLDER = "studies"
WANTED = "wanted"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class StudyTask:
    """One study of a run.

    Attributes:
        id: The study's name in the registry, or its dotted path.
    """

    id: str


class StudyStage:
    """Runs studies of one run and commits their results; a `pipeline.stage.Stage`.

    A study that refuses the run (`RunError` and its like) gives an outcome with `failed` 1 and
    the reason, and where recipes of what it lacks are (`NotDrawnError`); any other exception is
    a defect and the executor's business.

    Args:
        run_root: The run folder.
        studies: Name -> settings.
    """

    name: str = "study"

    def __init__(self, run_root: str | Path, studies: Mapping[str, Mapping[str, Any]]) -> None:
        self.run_root = Path(run_root).absolute()
        self.settings = {name: dict(settings) for name, settings in studies.items()}
        needs = [load_study(*one).resources for one in self.settings.items()] or [Resources()]
        self.resources = Resources(
            cpus=max(need.cpus for need in needs),
            gpus=max(need.gpus for need in needs),
            threads=max(need.threads for need in needs),
        )

    def setup(self) -> None:
        """See that the run is there."""
        Run.open(self.run_root)

    def run(self, task: StudyTask) -> Outcome:
        """Run one study and write what it found."""
        from threadpoolctl import threadpool_limits

        start, run = perf_counter(), Run.open(self.run_root)
        study = load_study(task.id, self.settings[task.id])
        try:
            with threadpool_limits(limits=study.resources.threads):
                findings = study.find(run)
        except StoreError:
            raise
        except GoldenseedError as error:
            told = [str(error)]
            if isinstance(error, NotDrawnError):
                told.append(_write_wanted(run, study, error.recipes))
            return Outcome(task.id, 1, 1, perf_counter() - start, error=". ".join(told))
        write_findings(run, study, findings)
        return Outcome(task.id, 1, 0, perf_counter() - start)


def _write_wanted(run: Run, study: Study, recipes: Mapping[str, str]) -> str:
    """Write the recipes of what a study lacks, replacing older ones, and say where.

    They lie outside the results: those of an earlier run of the study still hold.
    """
    folder = f"{WANTED}/{study.name}"
    files = {f"{name}.yaml": text.encode() for name, text in recipes.items()}
    _remove_others(run, folder, files)
    for name, data in files.items():
        run.store.replace(f"{folder}/{name}", data)
    return f"Recipes of what is lacking are in {run.store.path(folder)}: {', '.join(files)}"


def write_findings(run: Run, study: Study, findings: Findings) -> Path:
    """Write a study's results, replacing older ones.

    Returns:
        The folder.
    """
    folder = f"{FOLDER}/{study.name}"
    run.store.remove(f"{folder}/{SUMMARY}")
    stamp = _stamp(run, study, findings)
    files = {f"{name}.png": data for name, data in findings.figures.items()}
    files |= {f"recipes/{name}.yaml": text.encode() for name, text in findings.recipes.items()}
    names = [f"{name}.parquet" for name in findings.tables]
    _remove_others(run, folder, [*files, *names])
    for name, data in files.items():
        run.store.replace(f"{folder}/{name}", data)
    for name, table in findings.tables.items():
        _write_table(run, f"{folder}/{name}.parquet", table, stamp)
    hashes = {name: file_sha256(run.store.path(f"{folder}/{name}")) for name in (*files, *names)}
    explained = {name: dict(table.columns) for name, table in findings.tables.items()}
    summary = {**stamp, "columns": explained, "files": hashes}
    text = json.dumps(plain(summary), indent=1, ensure_ascii=False, allow_nan=False)
    run.store.replace(f"{folder}/{SUMMARY}", text.encode() + b"\n")
    return run.store.path(folder)


def _stamp(run: Run, study: Study, findings: Findings) -> dict[str, Any]:
    """What was found, of what, and by what."""
    own = type(study).__module__.startswith("analysis.studies.")
    return {
        "study": study.name,
        "version": study.version,
        "source_sha256": "" if own else source_sha256(type(study)),
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
    # A column without any value has no type of its own; a number's reads back everywhere.
    frame = table.frame.with_columns(pl.col(pl.Null).cast(pl.Float64))
    arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    names = ("study", "version", "settings", "run_id", "grid_hash", "identities", "rng_seed")
    provenance = plain({**{name: stamp[name] for name in names}, "columns": table.columns})
    run.store.path(key).parent.mkdir(parents=True, exist_ok=True)
    replace_table(run.store, key, arrow, provenance=provenance)


def _remove_others(run: Run, folder: str, names: Iterable[str]) -> None:
    """Remove what an earlier version or other settings left."""
    keep = {f"{folder}/{name}" for name in names}
    for key in [*run.store.list(folder, "")]:
        if key not in keep:
            run.store.remove(key)


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a study reports
    """A value as JSON has it: dataclasses as objects, numpy's numbers as numbers, NaN as null.

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
    """What a study found last.

    Raises:
        RunError: If it was not run, its results are damaged, or the grid has grown since.
    """
    key = f"{FOLDER}/{name}/{SUMMARY}"
    try:
        summary: dict[str, Any] = json.loads(run.store.read(key))
        grid = summary["grid_hash"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{run.root / key} is missing or damaged; `goldenseed study {name} {run.root}` first"
        ) from error
    if grid != run.grid_hash:
        raise RunError(
            f"{run.root / key} is of an earlier grid; `goldenseed study {name} {run.root}` again"
        )
    return summary


def read_study_table(run: Run, name: str, table: str) -> pl.DataFrame:
    """A table of a study.

    Raises:
        RunError: As `read_summary`, or if the study has no such table.
    """
    known = read_summary(run, name)["columns"]
    if table not in known:
        raise RunError(f"study {name} has no table {table!r}; it has {', '.join(known)}")
    frame = pl.from_arrow(read_table(run.store.path(f"{FOLDER}/{name}/{table}.parquet")))
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"a table became {type(frame).__name__}")
    return frame


def outcomes(run: Run) -> dict[str, str]:
    """One line per study of a run's grid as it is now, by name."""
    found = {}
    for name in run.store.folders(FOLDER):
        try:
            found[name] = str(read_summary(run, name)["outcome"])
        except RunError:
            found[name] = f"not of this grid: `goldenseed study {name} {run.root}` again"
    return found
