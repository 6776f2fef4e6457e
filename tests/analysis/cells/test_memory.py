"""The memory that an analysis counts is the memory that it takes, as the system measures it."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from analysis.cells import memory
from analysis.cells.memory import machine_memory, memory_limit, refuse_large
from pipeline.errors import RunError
from tests.analysis import synthetic

FACTOR = 2.0
"""The memory that is counted is at most this many times what is taken."""
MARGIN = 1.1
"""The memory that is taken is at most this many times what is counted."""


@cache
def measured() -> dict[str, dict[str, float]]:
    """Run the analyses in a process of their own, and give MB by analysis: counted and taken."""
    command = [sys.executable, "-m", "tests.analysis.cells.memory_taken"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, dict[str, float]] = json.loads(process.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("analysis", ["a part of the seeds", "permuted draws"])
def test_what_is_counted_is_what_is_taken(analysis: str) -> None:
    megabytes = measured()[analysis]
    taken, counted = megabytes["taken"], megabytes["counted"]
    assert taken / MARGIN <= counted <= FACTOR * taken, megabytes


def test_a_reader_that_keeps_all_parts_is_caught() -> None:
    """The negative control of the bound above."""
    megabytes = measured()["all parts kept"]
    assert megabytes["taken"] / MARGIN > megabytes["counted"], megabytes


def test_the_recipe_or_else_the_machine_is_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CONTAINER", tmp_path / "memory.max")
    run = synthetic.start(tmp_path / "run", n_prompts=2)
    whole = machine_memory()
    assert memory_limit(run) == whole
    for text, limit in (("max\n", whole), (f"{10**6}\n", 10**6)):
        (tmp_path / "memory.max").write_text(text)
        assert memory_limit(run) == limit
    stated = synthetic.start(tmp_path / "stated", n_prompts=2, analysis_memory_gb=0.5)
    assert memory_limit(stated) == 5 * 10**8
    refuse_large(stated, 5 * 10**8)
    with pytest.raises(RunError, match=r"take 0\.6 GB .* recipe allows 0\.5 GB"):
        refuse_large(stated, 6 * 10**8)
