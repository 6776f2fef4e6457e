"""`goldenseed repro`: a cell is drawn again and compared."""

import json
from pathlib import Path

import pytest

from goldenseed.steps import repro
from tests.goldenseed.conftest import Call


def test_a_cell_is_reproduced(made: Path, call: Call) -> None:
    called = call("repro", made / "run", "--seed", 3, "--json")
    report = json.loads(called.out)
    assert (called.code, report["seed"]) == (0, 3)
    assert [row["batch"] for row in report["repetitions"]] == [1, 2, 8]
    for row in report["repetitions"]:
        assert row["stored"]["largest"] <= 1
        assert row["alone"]["largest"] <= 1


def test_another_image_is_noticed(made: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def others(run: object, cells: list[tuple[str, int]]) -> dict[tuple[str, int], object]:
        images = {cell: image.copy() for cell, image in read(run, cells).items()}
        for image in images.values():
            image[0, 0, 0] = (image[0, 0, 0].astype(int) + 100) % 256
        return images

    read = repro.read_images
    monkeypatch.setattr(repro, "read_images", others)
    report = json.loads(call("repro", made / "run", "--json").out)
    assert all(row["stored"]["largest"] >= 90 for row in report["repetitions"])
    assert all(0 < row["stored"]["share"] < 0.5 for row in report["repetitions"])


def test_the_table_is_for_people(made: Path, call: Call) -> None:
    called = call("repro", made / "run")
    assert called.code == 0
    assert "from a batch of one" in called.out


def test_a_run_without_kept_images_compares_new_images_alone(
    made: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repro, "read_images", lambda *_: {})
    called = call("repro", made / "run", "--json")
    assert all(row["stored"] is None for row in json.loads(called.out)["repetitions"])
    assert "holds no image" in called.err


def test_an_unknown_seed_is_named(made: Path, call: Call) -> None:
    called = call("repro", made / "run", "--seed", 99)
    assert (called.code, called.out) == (2, "")
    assert "no seed 99" in called.err
