"""`.ci/audit` says whether it looked anything up, and passes on what it found."""

import os
import subprocess
from pathlib import Path

import pytest

FOUND = "jinja2 3.1.5   GHSA-cpwx-vrp4-4pq7 3.1.6"
UNKNOWN = "jinja2 Dependency not found on PyPI and could not be audited: jinja2 (3.1.5)"
TOOL = """#!/bin/sh
case "$*" in
  *constraints.txt) exit {pinned} ;;
  *) echo "{control}"; exit {code} ;;
esac
"""
"""Stands for pip-audit, whose database a test cannot reach."""


@pytest.mark.parametrize(
    ("control", "code", "pinned", "expected"),
    [(FOUND, 1, 0, 0), (FOUND, 1, 1, 1), (UNKNOWN, 0, 0, 3), ("", 1, 0, 3)],
)
def test_nothing_looked_up_is_no_success(
    root: Path, tmp_path: Path, control: str, code: int, pinned: int, expected: int
) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text(TOOL.format(control=control, code=code, pinned=pinned))
    tool.chmod(0o755)
    environment = {**os.environ, "PIP_AUDIT": str(tool)}
    done = subprocess.run(
        [root / ".ci" / "audit"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == expected
    assert ("cannot be reached" in done.stderr) is (expected == 3)
