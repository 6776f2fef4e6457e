"""Show the progress of long work: a bar on a terminal, plain lines elsewhere. All on stderr."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from pipeline.errors import counted
from pipeline.redact import redact

if TYPE_CHECKING:
    from pipeline.stage import Outcome

LINE_SECONDS = 10.0
"""Time between two plain lines."""


def duration(seconds: float) -> str:
    """Write a time in the units that people would use.

    Example:
        >>> duration(42), duration(272), duration(3 * 3600 + 120), duration(3 * 86400)
        ('42 s', '4 min 32 s', '3 h 2 min', '3.0 days')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    if seconds < 2 * 86400:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds / 86400:.1f} days"


def follow(outcomes: "Iterable[Outcome]", *, what: str, total: int) -> "Iterator[Outcome]":
    """Pass outcomes on, and show how much is done, how fast, and how long the rest will take.

    The rate is measured from the first outcome on, so the time to load a model does not count.

    Args:
        outcomes: As an executor yields them.
        what: Name of the work, for example "generate".
        total: Number of cells in all.
    """
    show = _show_bar if sys.stderr.isatty() else _show_lines
    return show(outcomes, what, total)


class _Meter:
    """Counts cells, and says the rate and the time left."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.first_cells = total, 0, 0
        self.start = self.first_time = time.monotonic()

    def add(self, cells: int) -> None:
        if self.done == 0:
            self.first_cells, self.first_time = cells, time.monotonic()
        self.done += cells

    def __str__(self) -> str:
        elapsed = time.monotonic() - self.first_time
        if self.done <= self.first_cells or elapsed <= 0:
            return "measuring the rate"
        rate = (self.done - self.first_cells) / elapsed
        return f"{rate:,.1f} images/s, {duration((self.total - self.done) / rate)} left"


def _show_bar(outcomes: "Iterable[Outcome]", what: str, total: int) -> "Iterator[Outcome]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    meter = _Meter(total)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    text = TextColumn("{task.fields[rate]}")
    with Progress(*columns, text, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total, rate="starting workers")
        for outcome in outcomes:
            meter.add(outcome.cells)
            progress.update(task, completed=meter.done, rate=str(meter))
            yield outcome


def _show_lines(outcomes: "Iterable[Outcome]", what: str, total: int) -> "Iterator[Outcome]":
    meter, last = _Meter(total), time.monotonic()
    note(f"{what}: {counted(total, 'image')} to do")
    for outcome in outcomes:
        meter.add(outcome.cells)
        if time.monotonic() - last >= LINE_SECONDS or meter.done == total:
            last = time.monotonic()
            state = f"done in {duration(last - meter.start)}" if meter.done == total else meter
            note(f"{what}: {meter.done:,} of {counted(total, 'image')}, {state}")
        yield outcome


def count_parts(what: str) -> Callable[[int, int], None]:
    """Make a function that shows how many parts of a work are done, on plain lines.

    Args:
        what: Name of the work, for example "grid".
    """
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            note(f"{what}: {done:,} of {total:,} parts")

    return show


def note(text: str) -> None:
    """Print one line for people on stderr."""
    sys.stderr.write(redact(text) + "\n")
    sys.stderr.flush()


def show_progress_lines() -> None:
    """Show the messages of the logger `goldenseed.progress` as plain lines on stderr.

    Long work inside a stage writes to this logger. The lines show for stages in this process, so
    on the executor `local`; Ray's actors are silent.

    Example:
        >>> show_progress_lines()
        >>> logging.getLogger("goldenseed.progress").isEnabledFor(logging.INFO)
        True
    """
    logger = logging.getLogger("goldenseed.progress")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_Notes())


class _Notes(logging.Handler):
    """Prints records as notes, to whatever stderr is at that time."""

    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())
