"""`goldenseed repair` makes again what is damaged, nothing else, and says what it did."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldenseed.commands import exit_codes
from tests.goldenseed.conftest import Call


def files(folder: Path, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def contents(folder: Path) -> dict[str, str]:
    """Receipt -> hash of the content of its shard."""
    paths = files(folder, "receipts/images/*/*.json", "receipts/features/*/*/*.json")
    return {p.relative_to(folder).as_posix(): json.loads(p.read_bytes())["content_sha256"]
            for p in paths}  # fmt: skip


def made_at(folder: Path) -> dict[str, int]:
    """Data file -> the time of its change, which tells a file that was made again."""
    return {
        path.name: path.stat().st_mtime_ns for path in files(folder, "images/*/*", "features/*/*/*")
    }


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def repaired(call: Call, folder: Path, code: int = 0) -> dict[str, Any]:
    called = call("repair", folder, "--executor", "local", "--json")
    assert called.code == code, called.err
    done: dict[str, Any] = json.loads(called.out)[0]
    return done


DAMAGE: dict[str, tuple[Callable[[Path], None], dict[str, object], int]] = {
    "images/*/*": (cut, {"drawn": 1, "measured": 0}, 1),
    "receipts/images/*/*": (cut, {"drawn": 1, "measured": 0}, 1),
    # Features whose images are gone without a trace are no longer trusted.
    "receipts/images/*/*.json": (Path.unlink, {"drawn": 1, "measured": 1}, 3),
    "features/appearance*/*/*": (Path.unlink, {"drawn": 0, "measured": 1}, 1),
    "per_seed.parquet": (cut, {"drawn": 0, "measured": 0, "written": ["per_seed.parquet"]}, 0),
    "ranking.json": (cut, {"drawn": 0, "measured": 0, "written": ["ranking.json"]}, 0),
}
"""Files -> how the first is damaged, what the repair says, and how many data files it makes."""


@pytest.mark.parametrize("pattern", DAMAGE)
def test_only_what_is_damaged_is_made_again(call: Call, run_folder: Path, pattern: str) -> None:
    spoil, wanted, changed = DAMAGE[pattern]
    intact, before = contents(run_folder), made_at(run_folder)
    ranking = (run_folder / "ranking.json").read_bytes()
    spoil(files(run_folder, pattern)[0])
    assert call("verify", run_folder).code == exit_codes.DAMAGED
    done = repaired(call, run_folder)
    assert done.items() >= wanted.items()
    assert done["damaged"]
    assert not done["left"]
    assert contents(run_folder) == intact
    assert (run_folder / "ranking.json").read_bytes() == ranking
    kept = made_at(run_folder).items() & before.items()
    assert len(before) - len(kept) == changed
    assert call("verify", run_folder).code == 0


def test_a_run_without_damage_is_left_alone(call: Call, run_folder: Path) -> None:
    """The control."""
    before = made_at(run_folder)
    called = call("repair", run_folder, "--executor", "local")
    assert called.code == 0
    assert "nothing is damaged" in called.out
    assert made_at(run_folder) == before


def test_what_was_not_drawn_yet_stays_so(call: Call, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "part"
    local = ("--executor", "local")
    assert call("generate", recipe, "--out", out, "--part", "1/4", *local).code == 0
    drawn = len(contents(out))
    assert 1 < drawn < 10
    cut(files(out, "images/*/*")[0])
    files(out, "images/*/*")[1].unlink()
    assert repaired(call, out).items() >= {"drawn": 2, "measured": 0}.items()
    assert len(contents(out)) == drawn


def test_what_was_set_aside_before_is_made_again(call: Call, run_folder: Path) -> None:
    intact = contents(run_folder)
    cut(files(run_folder, "images/*/*")[0])
    assert call("verify", run_folder, "--repair").code == exit_codes.DAMAGED
    assert repaired(call, run_folder)["drawn"] == 1
    assert contents(run_folder) == intact


def test_what_no_command_can_mend_is_said(call: Call, run_folder: Path) -> None:
    """A damaged grid stops the repair before anything is set aside; a release is only named."""
    release = files(run_folder, "releases/*/README.md")[0]
    text = release.read_text()
    release.write_text(f"{text} ")
    done = repaired(call, run_folder, exit_codes.DAMAGED)
    assert [name for name, _ in done["left"]] == [release.relative_to(run_folder).as_posix()]
    release.write_text(text)
    cut(run_folder / "grid/0000.json")
    cut(files(run_folder, "images/*/*")[0])
    done = repaired(call, run_folder, exit_codes.DAMAGED)
    assert [name for name, _ in done["left"]] == ["grid/0000.json"]
    assert not (run_folder / "superseded/images").exists()


def test_a_shard_that_cannot_be_made_again_is_named(
    call: Call, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(files(run_folder, "images/*/*")[0])
    monkeypatch.setattr("pipeline.drawing.stage.stage.image_table", _fails)
    done = repaired(call, run_folder, exit_codes.INCOMPLETE)
    assert "the device is gone" in done["errors"][0]
    monkeypatch.undo()
    assert repaired(call, run_folder)["drawn"] == 1


def _fails(*_: object, **__: object) -> None:
    raise RuntimeError("the device is gone")


def test_a_study_is_named_with_its_command(call: Call, run_folder: Path) -> None:
    folder = run_folder / "studies/quality"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text("{")
    done = repaired(call, run_folder)
    assert done["advice"] == [
        f"studies/quality was set aside; to make it again: `goldenseed study quality {run_folder}`"
    ]
