"""The fault run finds and mends what it breaks, and counts it where goldenseed itself is broken.

It runs in a process of its own, since it forks.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fault_trials import table
from benchmarks.faults import FINISHED, KINDS, UNFINISHED

SCRIPT = """
import sys
from benchmarks import fault_trials
from benchmarks.faults import measure
from pipeline.runs.drivers import Claims
from pipeline.runs.run import Run
from pipeline.storage.shards import ShardFolder
from pipeline.storage.local_store import LocalStore


def nothing():
    pass


def no_receipt_check():
    fault_trials.Trial.verify = lambda self, *options: 0
    ShardFolder.intact = lambda self, receipt: True


def no_single_winner():
    def put(self, key, value):
        self.replace(key, value)
        return True

    LocalStore.put_if_absent = put
    Claims._claim = lambda self, task_id: True
    Run.settle = lambda self: None
    Run.missing = lambda self: list(self.tiles())
    from pipeline.drawing.stage.loading import Loaded
    Loaded.receipt = lambda self, tile: None


measure(sys.argv[3:], int(sys.argv[2]), before=globals()[sys.argv[1]])
"""


def measured(before: str, tries: int, *kinds: str) -> dict[str, dict[str, int]]:
    """Kind -> its sums, with goldenseed broken in some way."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, before, str(tries), *kinds],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row.pop("kind"): row for row in rows}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_kind_is_found_and_mended() -> None:
    sums = measured("nothing", 2, *KINDS)
    assert list(sums) == [*UNFINISHED, *FINISHED]
    for kind, row in sums.items():
        assert (row["tries"], row["mended"]) == (2, 2), kind
        assert (row["lost"], row["doubled"], row["changed"], row["defects"]) == (0, 0, 0, 0), kind
        assert row["found"] == 2 or kind in ("two drivers", "failing call", "flipped byte"), kind


@pytest.mark.timeout(600)
def test_without_the_check_of_receipts_cells_are_lost() -> None:
    sums = measured("no_receipt_check", 1, "deleted")
    assert sums["deleted"]["lost"] > 0
    assert sums["deleted"]["mended"] == 0


@pytest.mark.timeout(600)
def test_without_a_single_winner_cells_are_doubled() -> None:
    sums = measured("no_single_winner", 1, "two drivers")
    assert sums["two drivers"]["doubled"] > 0
    assert sums["two drivers"]["mended"] == 0


def test_the_table_has_a_row_for_each_kind() -> None:
    row = {"tries": 1, "found": 1, "mended": 1, "lost": 0, "doubled": 0, "changed": 0, "defects": 0}
    assert table({"deleted": row}).splitlines()[-1] == "| deleted | 1 | 1 | 1 | 0 | 0 | 0 | 0 |"
