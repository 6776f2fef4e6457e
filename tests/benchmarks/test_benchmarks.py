"""Benchmarks at tiny sizes: their last line is the documented JSON, and their checks hold."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest

from analysis.statistics.distances import kid as real_kid
from benchmarks import distances, fuse, generate, gram, hps, kid, ocr, plan, scale, shards, studies
from benchmarks.harness import report
from benchmarks.report import CHROMIUM
from benchmarks.simulated_run import Distances, Embedding
from tests.analysis.features import tiny_clip

KEYS = {"benchmark", "ours", "peer", "unit", "ratio", "goal", "runs", "machine", "ok"}


def last_line(text: str) -> dict[str, object]:
    fields: dict[str, object] = json.loads(text.splitlines()[-1])
    return fields


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_a_missed_goal_is_a_failure(
    capsys: pytest.CaptureFixture[str], *, ok: bool, code: int
) -> None:
    exit_code = report(
        benchmark="x",
        ours=1.0,
        peer=2.0,
        unit="s",
        ratio=2.0,
        goal=1.5,
        runs=1,
        ok=ok,
    )
    assert exit_code == code
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


def test_scale(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = ["--cells", "4096", "--seeds", "64", "--steps"]
    assert scale.main([*sizes, "status", "resume"]) == 0
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert (fields["right"], fields["cells"]) == (True, 4096)
    # The negative control: a step that finds something else is a failure, however fast.
    monkeypatch.setattr(scale, "lose", lambda _run, _share: 7)
    assert scale.main([*sizes, "resume"]) == 1


def test_distances(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Embedding, "width", 8)
    monkeypatch.setattr(Distances, "images", 50)
    monkeypatch.setattr(distances, "peak_megabytes", lambda: 400.0)
    assert distances.main(["--seeds", "3", "--images", "20"]) == 0
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert fields["right"] is True
    # The negative control: more memory than the recipe states is a failure, however fast.
    monkeypatch.setattr(distances, "peak_megabytes", lambda: 4000.0)
    assert distances.main(["--seeds", "3", "--images", "20"]) == 1


def test_report() -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    # In a process of its own: other tests may keep a browser open in this one.
    command = [sys.executable, "-m", "benchmarks.report", "--seeds", "8", "16", "--runs", "1"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    fields = last_line(process.stdout)
    assert process.returncode == (0 if fields["ok"] else 1)
    assert fields.keys() >= KEYS
    assert fields["seeds"] == 16
    assert 0 < fields["painted_8_s"] < 30


def test_pyramid() -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    sizes = ["--seeds", "12", "--prompts", "9", "--drag-ms", "200"]
    command = [sys.executable, "-m", "benchmarks.pyramid", *sizes]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    fields = last_line(process.stdout)
    assert process.returncode == (0 if fields["ok"] else 1)
    assert fields.keys() >= KEYS
    assert fields["images"] == 108
    assert 0 < fields["largest_sheet"] <= 200_000
    assert min(fields["frames"]) > 1


def test_studies(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--seeds", "40", "--map-prompts", "4", "--prompts", "60", "--draws", "120"]
    studies.main(sizes)
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert fields["same_points"] is True
    assert isinstance(fields["neighbours_agree"], float)
    assert fields["neighbours_agree"] > 0.5
    assert abs(float(str(fields["null_sd_ratio"])) - 1) < 0.05


def test_a_map_without_structure_is_detected() -> None:
    scattered = np.random.default_rng(0).normal(size=(200, 2))
    assert studies.neighbours_agree(scattered) < 0.4


def test_kid(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--images", "40", "--real", "60", "--width", "16", "--subset", "40", "--pairs", "1"]
    kid.main(sizes)
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert fields["difference"] <= kid.TOLERANCE  # type: ignore[operator]


def test_another_kernel_distance_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sides = [kid.draw(rng, 40, 16, shift) for shift in (0.4, 0.3)]
    assert kid.difference(*sides) <= kid.TOLERANCE
    monkeypatch.setattr(kid, "kid", lambda x, y: real_kid(x, y) + 1e-5)
    assert kid.difference(*sides) > kid.TOLERANCE


def test_gram(capsys: pytest.CaptureFixture[str]) -> None:
    gram.main(["--n", "12", "--channels", "8", "16"])
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert gram.LEAST_COSINE <= fields["least_cosine"] <= 1 + 1e-9  # type: ignore[operator]


def test_fuse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuse.main(["--prompts", "4", "--seeds", "2", "--pairs", "1"]) == 0
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert (fields["same_content"], fields["ok"]) == (True, True)
    # The negative control: other content is a failure, however fast.
    monkeypatch.setattr(fuse, "draw", lambda _recipe, _folder: None)
    monkeypatch.setattr(fuse, "content", lambda folder: {("x", "y"): str(folder)})
    assert fuse.main(["--prompts", "4", "--seeds", "2", "--pairs", "1"]) == 1


@pytest.mark.filterwarnings("ignore:.*pin_memory.*", "ignore:.*mode.*:DeprecationWarning")
def test_ocr(capsys: pytest.CaptureFixture[str]) -> None:
    ocr.main(["--pictures", "4", "--pairs", "1", "--whole-pairs", "1"])
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert fields["same_texts_and_boxes"] is True
    assert fields["crops"] >= 4  # type: ignore[operator]


def test_hps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Run with a tiny network of open_clip's class, which open_clip finds by its file name."""
    (tmp_path / "tiny-clip.json").write_text(json.dumps(tiny_clip.CONFIG))
    open_clip.add_model_config(tmp_path / "tiny-clip.json")
    sizes = ["--images", "4", "--prompts", "2", "--size", "32", "--authors", "2", "--pairs", "1"]
    hps.main(["--architecture", "tiny-clip", *sizes])
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    assert fields["difference"] <= hps.TOLERANCE  # type: ignore[operator]


@pytest.mark.slow
def test_generate(capsys: pytest.CaptureFixture[str]) -> None:
    generate.main(["--tiles", "2", "--loop", "2", "--batches", "1", "--pairs", "1"])
    fields = last_line(capsys.readouterr().out)
    assert fields.keys() >= KEYS
    differences = fields["largest_difference"]
    assert isinstance(differences, dict)
    assert max(differences.values()) <= generate.TOLERANCE


def test_a_changed_pixel_is_detected() -> None:
    ours = [np.zeros((4, 4, 3), np.uint8)]
    theirs = [ours[0].copy()]
    assert generate.difference(ours, theirs) <= generate.TOLERANCE
    theirs[0][1, 2, 0] = 2
    assert generate.difference(ours, theirs) > generate.TOLERANCE
