"""A process may die between any two steps of a commit; nothing is lost or incomplete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.failpoints import EXIT_CODE, FAILPOINTS, failpoint
from tests.pipeline import faults

COMMIT = """
import sys
from pathlib import Path
from tests.pipeline import faults
faults.commit_all(Path(sys.argv[1]), 3)
"""


def commit_in_a_process(folder: Path, checkout: Path, name: str, once: Path | None = None) -> int:
    environment = {**os.environ, "GOLDENSEED_FAILPOINT": name}
    if once is not None:
        environment["GOLDENSEED_FAILPOINT_ONCE"] = str(once)
    arguments = [sys.executable, "-c", COMMIT, folder]
    return subprocess.run(arguments, cwd=checkout, env=environment, check=False).returncode


def visible(folder: Path) -> dict[str, str]:
    """The shards that a reader sees, after reading all their rows."""
    shards = faults.folder(folder)
    for receipt in shards.receipts():
        assert shards.read(receipt).num_rows == receipt.rows
        assert shards.has(receipt.shard_id, receipt.block)
    return faults.contents(folder)


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, str]:
    faults.commit_all(tmp_path / "undisturbed", 3)
    return faults.contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("name", FAILPOINTS)
def test_death_at_every_step(tmp_path: Path, root: Path, name: str, wanted: dict[str, str]) -> None:
    folder = tmp_path / "run"
    faults.commit_all(folder, 1)
    before = visible(folder)
    # The first shard is complete already, so its commit skips the step that writes the receipt; the
    # commit of the second shard does not.
    assert commit_in_a_process(folder, root, name) == EXIT_CODE
    assert visible(folder) == before
    (folder / "receipts/things" / faults.BLOCK / f"{faults.Item(0).id}.json").unlink()
    assert commit_in_a_process(folder, root, name) == EXIT_CODE
    linked = before if name == "receipt_linked" else {}
    assert visible(folder) == linked
    faults.commit_all(folder, 3)
    assert visible(folder) == wanted


def test_a_name_that_is_no_failpoint_changes_nothing(
    tmp_path: Path, root: Path, wanted: dict[str, str]
) -> None:
    """The control: a misspelt failpoint above would look like a death that was survived."""
    assert commit_in_a_process(tmp_path / "run", root, "no_such_point") == 0
    assert visible(tmp_path / "run") == wanted


def test_once_means_one_process(tmp_path: Path, root: Path, wanted: dict[str, str]) -> None:
    codes = [
        commit_in_a_process(tmp_path / "run", root, "data_synced", tmp_path / "once")
        for _ in range(2)
    ]
    assert codes == [EXIT_CODE, 0]
    assert visible(tmp_path / "run") == wanted


def test_nothing_happens_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOLDENSEED_FAILPOINT", raising=False)
    for name in FAILPOINTS:
        failpoint(name)


def test_every_failpoint_is_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit passes the failpoints of the list, in that order."""
    passed: list[str] = []
    for module in ("parquet", "shards", "local_store"):
        monkeypatch.setattr(f"pipeline.storage.{module}.failpoint", passed.append)
    faults.commit_all(tmp_path, 1)
    assert tuple(passed) == FAILPOINTS
