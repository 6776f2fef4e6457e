"""Say how much memory an analysis of cells takes, and refuse more than there may be."""

import os
from pathlib import Path

from pipeline.errors import RunError
from pipeline.runs.run import Run

GB = 10**9
CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says how much memory the processes of a container may take."""
COPIES = 5
"""Bytes that an analysis takes for each byte of a column: the column itself, in float32; the same
numbers in float64; and in float64 once more, with permuted owners."""


def memory_limit(run: Run) -> int:
    """Return the bytes that one process of an analysis may take.

    They are what the recipe states, or else the memory of this machine or container.
    """
    stated = run.recipe.analysis_memory_gb
    return machine_memory() if stated is None else int(stated * GB)


def machine_memory() -> int:
    """Return the bytes of memory that this machine has, or this container may take."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(CONTAINER.read_text(encoding="ascii")))
    except (OSError, ValueError):  # not Linux, no container, or "max"
        return machine


def refuse_large(run: Run, needed: int) -> None:
    """Refuse an analysis that would take more memory than it may.

    Args:
        run: The run, whose recipe may state the limit.
        needed: Bytes of the columns, and of what is computed from them.

    Raises:
        RunError: If that is too much; the message gives both numbers.
    """
    limit = memory_limit(run)
    if needed <= limit:
        return
    stated = run.recipe.analysis_memory_gb
    why = "this machine has" if stated is None else "`analysis_memory_gb` of the recipe allows"
    raise RunError(
        f"the features of all seeds, and what is computed from them, take {needed / GB:,.1f} GB of "
        f"memory, and {why} {limit / GB:,.1f} GB: use fewer prompts (`metric_prompts` of the "
        f"recipe), a metric with one number per image, or a larger machine; `goldenseed measure` "
        f"needs less memory, because it computes distances for blocks of seeds"
    )
