"""`goldenseed gc` counts and removes what no result depends on, and nothing else."""

import json
import os
from pathlib import Path

from pipeline.runs.drivers import Claims
from pipeline.runs.run import Run
from tests.goldenseed.conftest import Call
from tests.pipeline.runs.test_drivers import other


def leave(root: Path) -> None:
    """Leftovers of each kind: an attempt, a file aside, a shard that was set aside, a claim."""
    run = Run.open(root)
    receipt = next(run.images.receipts())
    attempt = root / "attempts" / "images" / receipt.block / f"{receipt.shard_id}-00000000.parquet"
    attempt.parent.mkdir(parents=True, exist_ok=True)
    attempt.write_bytes(b"x" * 1000)
    (root / ".per_seed.parquet.0123abcd").write_bytes(b"x" * 10)
    run.images.supersede(receipt.shard_id, receipt.block)
    other(run.store, pid=2**22 + 1)


def files(root: Path) -> dict[str, bytes]:
    names = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in names}


def test_leftovers_are_counted_and_removed_and_nothing_else(call: Call, run_folder: Path) -> None:
    leave(run_folder)
    before = files(run_folder)
    counted = call("gc", run_folder, "--dry-run", "--json")
    assert counted.code == 0, counted.err
    [row] = json.loads(counted.out)
    assert (row["interrupted"], row["interrupted_bytes"], row["set_aside"]) == (2, 1010, 1)
    aside = ("attempts/", "superseded/images/", ".per_seed")  # the receipt marks what is to do
    left = {name for name in before if name.startswith(aside)}
    drivers = {name for name in before if name.startswith("drivers/")}
    assert len(left) == 3
    assert files(run_folder).keys() == before.keys() - drivers
    removed = call("gc", run_folder)
    assert removed.code == 0, removed.err
    assert "leftovers: removed" in removed.out
    after = files(run_folder)
    assert after == {k: v for k, v in before.items() if k not in left | drivers}
    [again] = json.loads(call("gc", run_folder, "--json").out)
    assert (again["interrupted"], again["set_aside"], again["removed"]) == (0, 0, True)


def test_repair_then_gc_leaves_nothing_that_looks_damaged(call: Call, run_folder: Path) -> None:
    """Before the next command draws the shard again; then its receipt is a leftover, too."""
    data = next((run_folder / "images").rglob("*.parquet"))
    data.write_bytes(data.read_bytes()[:-9] + b"damaged!!")
    assert call("verify", run_folder, "--repair").code == 4
    assert call("gc", run_folder).code == 0
    verified = call("verify", run_folder)
    assert verified.code == 0, verified.out
    assert "still being drawn: 1 shard has no images yet" in verified.out
    [receipt] = (run_folder / "superseded" / "receipts" / "images").rglob("*.json-*")
    receipt.unlink()  # the negative control: images that somebody deleted are damage
    assert call("verify", run_folder).code == 4


def test_nothing_is_removed_while_another_process_works(call: Call, run_folder: Path) -> None:
    leave(run_folder)
    store = Run.open(run_folder).store
    with Claims(store, "generate", recipe="mine", tell=lambda _: None):
        before = files(run_folder)
        refused = call("gc", run_folder)
        assert refused.code == 2
        assert f"process {os.getpid()} on" in refused.err
        assert files(run_folder) == before
        counted = call("gc", run_folder, "--dry-run")
        assert counted.code == 0
        assert "its unfinished files are counted, too" in counted.err
