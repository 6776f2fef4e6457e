"""A run of an earlier version opens; its folder of images then holds images alone."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.runs.run import Run, feature_folders
from pipeline.storage.local_store import LocalStore
from tests.goldenseed.conftest import Call
from tests.goldenseed.old_runs import make_old


def shards(run: Path) -> list[tuple[str, str]]:
    opened = Run.open(run)
    folders = (opened.images, *feature_folders(opened.store))
    return [(f.prefix, r.content_sha256) for f in folders for r in f.receipts()]


def rows(run: Path) -> int:
    return pl.read_parquet(run / "images/**/*.parquet").height


def test_the_next_command_moves_an_old_run(call: Call, made: Path, run_folder: Path) -> None:
    wanted = shards(made / "run")
    make_old(run_folder)
    with pytest.raises(pl.exceptions.PolarsError):  # the control: today's case
        rows(run_folder)
    assert call("status", run_folder).code == 0
    assert shards(run_folder) == wanted
    assert rows(run_folder) == 320
    assert call("verify", run_folder).code == 0


def test_a_move_that_was_interrupted_is_completed(
    made: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each move in turn."""
    wanted, move = shards(made / "run"), LocalStore.move
    make_old(run_folder)
    deaths = 0

    def dying(*arguments: object) -> None:
        nonlocal allowed
        allowed -= 1
        if allowed < 0:
            raise KeyboardInterrupt
        move(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalStore, "move", dying)
    while True:
        allowed = 5
        try:
            Run.open(run_folder)
            break
        except KeyboardInterrupt:
            deaths += 1
    assert deaths > 5
    monkeypatch.undo()
    assert shards(run_folder) == wanted
    assert rows(run_folder) == 320
