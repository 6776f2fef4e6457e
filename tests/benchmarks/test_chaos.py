"""Random faults leave a run as a quiet one, unless goldenseed trusts receipts without a look.

The run has few shards here, and `make test-all` adds many faults. It is in a process of its own,
since it forks.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.profiles import LONG

FAULTS = 200 if LONG else 12
SCRIPT = """
import json, sys
from benchmarks import chaos
from goldenseed.steps.verify import shards
from pipeline.storage.shards import ShardFolder


def nothing():
    pass


def no_receipt_check():
    ShardFolder.intact = lambda self, receipt: True
    shards._check = lambda known, folder, key: []


recipe = chaos.RECIPE.replace("count: 40", "count: 8").replace("count: 20", "count: 4")
print(json.dumps(chaos.measure(int(sys.argv[2]), 1, recipe=recipe, before=globals()[sys.argv[1]])))
"""


def measured(before: str, faults: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, before, str(faults)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.timeout(3600 if LONG else 600)
def test_random_faults_change_nothing() -> None:
    result = measured("nothing", FAULTS)
    assert sum(result.pop("faults").values()) >= FAULTS
    assert result.pop("disturbed") > FAULTS / 4, "most commands were not disturbed at all"
    assert result == {
        "rows": 64, "equal": 64, "lost": 0, "doubled": 0, "changed": 0, "defects": 0,
        "verified": True,
    }  # fmt: skip


@pytest.mark.timeout(600)
def test_without_the_check_of_receipts_rows_are_lost_or_changed() -> None:
    """The control."""
    result = measured("no_receipt_check", 12)
    assert result["equal"] < result["rows"]
