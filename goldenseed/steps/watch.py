"""Watch runs that other processes draw, perhaps on other machines."""

import time
from collections.abc import Callable, Sequence

from goldenseed.progress import duration, note
from pipeline.errors import counted
from pipeline.runs.run import Run
from pipeline.storage.manifest import receipt_index

LOOK_SECONDS = 10.0
"""Time between two lines."""


def watch_runs(open_runs: Callable[[], Sequence[Run]], *, seconds: float = LOOK_SECONDS) -> None:
    """Say how many images are drawn, how fast, and how long the rest takes, until all are.

    Args:
        open_runs: Opens the runs; called anew for each line, because grids grow.
        seconds: Time between two lines.
    """
    start = time.monotonic()
    first, total = _count(open_runs())
    drawn = first
    note(f"{drawn:,} of {counted(total, 'image')} drawn")
    while drawn < total:
        time.sleep(seconds)
        drawn, total = _count(open_runs())
        note(_line(drawn, total, drawn - first, time.monotonic() - start))


def _line(drawn: int, total: int, new: int, elapsed: float) -> str:
    """Say how far the runs are.

    Example:
        >>> _line(30, 90, 20, 10.0)
        '30 of 90 images, 2.0 images/s, 30 s left'
        >>> _line(10, 90, 0, 10.0)
        '10 of 90 images, no new one in 10 s'
    """
    if new <= 0:
        return f"{drawn:,} of {counted(total, 'image')}, no new one in {duration(elapsed)}"
    rate = new / elapsed
    left = duration((total - drawn) / rate)
    return f"{drawn:,} of {counted(total, 'image')}, {rate:,.1f} images/s, {left} left"


def _count(runs: Sequence[Run]) -> tuple[int, int]:
    """Images drawn, and images of the grids."""
    drawn = sum(r.rows for run in runs for r in receipt_index(run.images).values())
    return drawn, sum(len(run.prompts) * len(run.seeds) for run in runs)
