"""Each benchmark fails where its two sides disagree, or where its goal is missed."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from analysis.statistics.distances import Reference
from analysis.statistics.dual_pca import principal_cosines
from benchmarks import fid, gram, hps, ocr, orchestration, overlap, plan, shards
from tests.analysis.features import tiny_clip


def last_line(text: str) -> dict[str, object]:
    fields: dict[str, object] = json.loads(text.splitlines()[-1])
    return fields


def test_shards_with_another_image(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "_read_ours", lambda _path, _row: b"another")
    assert shards.main(["--blobs", "120", "--blob-bytes", "500", "--pairs", "1"]) == 1
    assert last_line(capsys.readouterr().out)["same_blobs"] is False


@pytest.mark.parametrize(("cells", "shards_done"), [(8, 1), (9, 1), (8, 2)])
def test_a_plan_of_another_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, shards_done: int
) -> None:
    def life(work: str, _folder: Path, _runs: int) -> tuple[plan.Life, list[object]]:
        plans = [[{"cells": cells}]] * len(plan.CARDS)
        return plan.Life(1.0, 1.0), plans if work == "plan" else [{"shards_done": shards_done}]

    monkeypatch.setattr(plan, "median_life", life)
    right = plan.measure(tmp_path, plan.Size(prompts=4, seeds=2, runs=1))[1]
    assert right is ((cells, shards_done) == (8, 1))


def test_scores_that_differ(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny-clip.json").write_text(json.dumps(tiny_clip.CONFIG))
    open_clip.add_model_config(tmp_path / "tiny-clip.json")
    fresh = hps._fresh
    monkeypatch.setattr(hps, "_fresh", lambda *given: fresh(*given) + 1e-3)
    sizes = ["--images", "2", "--prompts", "2", "--size", "32", "--authors", "1", "--pairs", "1"]
    assert hps.main(["--architecture", "tiny-clip", *sizes]) == 1
    difference = last_line(capsys.readouterr().out)["difference"]
    assert isinstance(difference, float)
    assert difference > hps.TOLERANCE


@pytest.mark.filterwarnings("ignore:.*pin_memory.*", "ignore:.*mode.*:DeprecationWarning")
def test_a_text_that_differs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "ours_whole", lambda _feature, images: [[("x", [])]] * len(images))
    assert ocr.main(["--pictures", "1", "--pairs", "1", "--whole-pairs", "1"]) == 1
    assert last_line(capsys.readouterr().out)["same_texts_and_boxes"] is False


def test_another_subspace() -> None:
    channels = [8, 16]
    axes = gram.unfolded(gram.ours(12, channels, 4), channels)
    theirs = gram.peer(12, channels, 4)
    assert principal_cosines(axes, theirs).min() >= gram.LEAST_COSINE
    others = np.linalg.qr(np.random.default_rng(0).normal(size=theirs.T.shape))[0].T
    assert principal_cosines(axes, others).min() < gram.LEAST_COSINE


def test_a_distance_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fid, "WIDTH", 8)
    monkeypatch.setattr(fid.Passed, "num_features", 8)
    monkeypatch.setattr(fid, "GOALS", {60: 0.0})
    rng = np.random.default_rng(0)
    mixing = np.eye(8, dtype=np.float32)
    real, bank = fid.draw(rng, mixing, 80, 0.3), fid.draw(rng, mixing, 60, 0.4)
    metric = FrechetInceptionDistance(feature=fid.Passed(), reset_real_features=False)
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(real), real=True)
    reference = Reference.from_features(real)
    assert fid.run_case(60, reference, 0.0, metric, bank).ok
    right = fid.frechet_distances
    monkeypatch.setattr(fid, "frechet_distances", lambda x, r: right(x, r) * (1 + 1e-4))
    assert not fid.run_case(60, reference, 0.0, metric, bank).ok


def test_a_device_that_waits_for_its_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without threads beside the device, its share is under the goal."""
    monkeypatch.setattr(overlap, "SIZE", 256)
    monkeypatch.setattr(overlap, "TILES", 1)
    assert overlap.busy_share(overlap.photographs(16), 0.004, 0) < overlap.GOAL


@pytest.mark.parametrize(("over", "code"), [(1.04, 0), (1.06, 1)])
def test_shards_that_wait(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, over: float, code: int
) -> None:
    ideal = orchestration.SHARDS * orchestration.SECONDS / orchestration.WORKERS
    monkeypatch.setattr(orchestration, "on_ray", lambda: (over * ideal, 1.0))
    monkeypatch.setattr(orchestration, "on_bare_processes", lambda: ideal)
    assert orchestration.main() == code
    assert last_line(capsys.readouterr().out)["ok"] is (code == 0)
