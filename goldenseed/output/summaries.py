"""Print on stderr how a command that drew or measured ended: what was done, what failed and why."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence

from goldenseed.output import tables
from goldenseed.progress import duration, note
from goldenseed.steps.result import Result
from pipeline.errors import counted

MOST_ERRORS = 10
"""Shards without a result that are named; the log of the run names all."""


def note_summary(results: Sequence[Result]) -> None:
    """Print one summary of a command's steps.

    Args:
        results: The results of its steps, in order.
    """
    for result in results:
        note(_done(result))
        for reason, count in Counter(result.reasons).most_common():
            note(f"  {count:,} x {tables.plain(reason)}")
    errors = [error for result in results for error in result.errors]
    if not errors:
        return
    note(f"{counted(len(errors), 'shard has', 'shards have')} no result:")
    for error in errors[:MOST_ERRORS]:
        note(f"  {tables.plain(error)}")
    if len(errors) > MOST_ERRORS:
        note(f"  ... and {len(errors) - MOST_ERRORS:,} more; logs/ in the run folder names all")
    note(f"repeat the command to try them again: {shlex.join(['goldenseed', *sys.argv[1:]])}")


def _done(result: Result) -> str:
    """Say what a step has done, and what it used."""
    text = f"{result.step}: {counted(result.done, 'image')} done now{_used(result)}"
    if result.failed:
        text += f", {result.failed:,} of them failed (their rows keep the reason)"
    if result.truncated:
        text += (
            f"; {counted(result.truncated, 'prompt')} (or the negative prompt) longer than a "
            f"text encoder reads, and cut; `truncated_tokens` counts how much"
        )
    return text


def _used(result: Result) -> str:
    if not result.workers or result.seconds <= 0:
        return ""
    rate = result.done / result.seconds
    return (
        f" in {duration(result.seconds)} ({rate:,.1f} images/s, "
        f"{counted(result.workers, 'worker')}, {tables.number_of_bytes(result.written_bytes)}"
        f"{_expected(result)})"
    )


def _expected(result: Result) -> str:
    """Say what the plan expects of as many images and workers."""
    if result.expected is None:
        return ""
    seconds = result.expected.seconds(result.workers)
    size = tables.number_of_bytes(result.expected.disk_bytes)
    return f"; planned {duration(seconds)}, {size}"
