"""Benchmarks at tiny sizes: their last line is the JSON that is promised, and their checks hold."""

import json

import numpy as np
import pytest

from benchmarks import generate, plan, shards, studies
from benchmarks.harness import report

KEYS = {"benchmark", "ours", "peer", "unit", "ratio", "goal", "runs", "machine", "ok"}


def last_line(text: str) -> dict[str, object]:
    fields: dict[str, object] = json.loads(text.splitlines()[-1])
    return fields


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_a_missed_goal_is_a_failure(
    capsys: pytest.CaptureFixture[str], *, ok: bool, code: int
) -> None:
    found = report(
        benchmark="x",
        ours=1.0,
        peer=2.0,
        unit="s",
        ratio=2.0,
        goal=1.5,
        runs=1,
        ok=ok,
    )
    assert found == code
    assert last_line(capsys.readouterr().out)["ok"] is ok


def test_shards(capsys: pytest.CaptureFixture[str]) -> None:
    code = shards.main(["--blobs", "250", "--blob-bytes", "2000", "--pairs", "1"])
    fields = last_line(capsys.readouterr().out)
    assert code == (0 if fields["ok"] else 1)
    assert fields.keys() >= KEYS
    assert fields["same_blobs"] is True


def test_plan(capsys: pytest.CaptureFixture[str]) -> None:
    plan.main(["--prompts", "70", "--seeds", "40", "--runs", "1"])
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert fields["right"] is True
    assert fields["cells"] == 2 * 70 * 40


def test_studies(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--seeds", "40", "--map-prompts", "4", "--prompts", "60", "--draws", "120"]
    studies.main(sizes)
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert fields["same_points"] is True
    assert isinstance(fields["neighbours_agree"], float)
    assert fields["neighbours_agree"] > 0.5
    assert abs(float(str(fields["null_sd_ratio"])) - 1) < 0.05


def test_a_map_of_nothing_would_be_noticed() -> None:
    scattered = np.random.default_rng(0).normal(size=(200, 2))
    assert studies.neighbours_agree(scattered) < 0.4


@pytest.mark.slow
def test_generate(capsys: pytest.CaptureFixture[str]) -> None:
    generate.main(["--tiles", "2", "--loop", "2", "--batches", "1", "--pairs", "1"])
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    differences = fields["largest_difference"]
    assert isinstance(differences, dict)
    assert max(differences.values()) <= generate.TOLERANCE


def test_a_changed_pixel_would_be_noticed() -> None:
    ours = [np.zeros((4, 4, 3), np.uint8)]
    theirs = [ours[0].copy()]
    assert generate.difference(ours, theirs) <= generate.TOLERANCE
    theirs[0][1, 2, 0] = 2
    assert generate.difference(ours, theirs) > generate.TOLERANCE
