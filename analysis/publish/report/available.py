"""Read a result of a run, or learn why there is none and which command makes it."""

from collections.abc import Callable
from typing import TypeVar

from analysis.studies.results import read_study_table, read_summary
from pipeline.errors import GoldenseedError
from pipeline.runs.run import Run

Result = TypeVar("Result")
Part = dict[str, object]
"""A part of the report, JSON-ready; `missing` says why it is empty, if it is."""


def attempt(run: Run, read: Callable[[], Result]) -> tuple[Result | None, str]:
    """Call a reader.

    Args:
        run: The run that is read.
        read: Raises a `GoldenseedError` if the run does not hold the result.

    Returns:
        The result and "", or None and the reason, which names no folder but the run's own.
    """
    try:
        return read(), ""
    except GoldenseedError as error:
        return None, without_folders(run, str(error))


def without_folders(run: Run, text: str) -> str:
    """Write paths in a run as they are for somebody beside it: a report shows no home folder."""
    return text.replace(f"{run.root}/", f"{run.root.name}/").replace(str(run.root), run.root.name)


def study_part(run: Run, study: str, tables: dict[str, tuple[str, ...]]) -> Part:
    """Read what a part of the report shows of a study.

    Args:
        run: The run.
        study: Name of the study.
        tables: Name of a table -> the columns that are shown.

    Returns:
        `outcome`, `question`, `null`, `n`, `numbers`, and `tables`: name -> column -> values.
    """
    summary, reason = attempt(run, lambda: read_summary(run, study))
    if summary is None:
        return {"missing": reason}
    part: Part = {
        key: summary[key] for key in ("outcome", "question", "method", "null", "n", "numbers")
    }
    shown = {}
    for name, columns in tables.items():
        frame, reason = attempt(run, lambda name=name: read_study_table(run, study, name))  # type: ignore[misc]
        if frame is None:
            return {"missing": reason}
        present = [column for column in columns if column in frame.columns]
        shown[name] = {column: short(frame[column].to_list()) for column in present}
    return {**part, "tables": shown, "missing": ""}


def short(values: list[object]) -> list[object]:
    """Round numbers to five digits: a page shows no more, and is half as large.

    Example:
        >>> short([0.123456789, 7, "a", None])
        [0.12346, 7, 'a', None]
    """
    return [float(f"{value:.5g}") if isinstance(value, float) else value for value in values]
