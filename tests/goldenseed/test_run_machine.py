"""Commands and faults in any order leave a run whole; see `run_machine` and `every_call`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.profiles import LONG

EXAMPLES, STEPS = (100, 20) if LONG else (3, 6)


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tests.goldenseed.{script}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONWARNINGS": ""},
    )


@pytest.mark.timeout(7200 if LONG else 600)
def test_the_invariants_hold() -> None:
    done = run("run_machine", EXAMPLES, STEPS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_broken_build_does_not_hold_them() -> None:
    """The control: without the check of receipts, damage stays."""
    assert run("run_machine", 10, 10, "broken").returncode != 0


@pytest.mark.timeout(7200 if LONG else 600)
def test_any_call_of_a_run_may_fail_or_be_the_last() -> None:
    done = run("every_call", 1 if LONG else 90)
    assert done.returncode == 0, done.stderr[-6000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["wrong"] == []
    assert len(result["noticed"]) == 4
