"""`goldenseed reference` and `goldenseed prompts`: refusals of bad input, and a built reference."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file

from analysis.metrics import load_metric
from analysis.metrics.base import REFERENCES_VARIABLE, ReferenceMetric
from tests.contracts.tiny import with_tiny_card
from tests.goldenseed.conftest import Call

N = 5
LOCAL = ("--executor", "local")


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images; the command is called in the folder that holds it."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(N):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(REFERENCES_VARIABLE, raising=False)
    return folder


def damaged_parquet(path: Path) -> None:
    """Write a file whose schema can be read, but not its first page."""
    pq.write_table(pa.table({"image": [bytes([i] * 999) for i in range(9)]}), path)
    data = bytearray(path.read_bytes())
    data[4:24] = b"\xff" * 20
    path.write_bytes(data)


REFERENCE = [
    (["none", "--feature", "perceptual", "--out", "r.safetensors"], "none is not a folder"),
    (["pictures", "--feature", "perceptul"], "did you mean 'perceptual'"),
    (["pictures", "--feature", "appearance"], "vector columns none"),
    (["pictures", "--feature", "perceptual", "--out", "r.npz"], "ends in .safetensors"),
    (["pictures", "--feature", "perceptual"], f"set {REFERENCES_VARIABLE}"),
    (["pictures", "--feature", "perceptual", "--count", "6"], "5 images; 6 are wanted"),
    (["bad.parquet", "--feature", "perceptual"], "bad.parquet is damaged"),
    (["text.parquet", "--feature", "perceptual"], "cannot be read as Parquet"),
]


@pytest.mark.parametrize(("arguments", "message"), REFERENCE)
def test_bad_input_of_a_reference(
    call: Call, pictures: Path, arguments: list[str], message: str
) -> None:
    damaged_parquet(pictures.parent / "bad.parquet")
    (pictures.parent / "text.parquet").write_text("no Parquet")
    no_default = "--out" in arguments or message.startswith("set ")
    out = [] if no_default else ["--out", "r.safetensors"]
    called = call("reference", "build", *arguments, *out, *LOCAL)
    assert called.code == 2
    assert message in called.err
    assert "Traceback" not in called.err
    assert not list(pictures.parent.glob("r.*"))


PROMPTS = [
    (["coco", "c.json", "--images", "pictures", "--count", "2"], "c.json: cannot be read as JSON"),
    (["coco", "text.json", "--images", "pictures", "--count", "2"], "cannot be read as JSON"),
    (["coco", "empty.json", "--images", "none", "--count", "2"], "none is not a folder"),
    (["coco", "empty.json", "--images", "pictures", "--count", "2"], "2 prompts are wanted"),
    (["coco", "empty.json", "--images", "pictures", "--count", "2", "--out", "p.txt"], ".jsonl"),
    (["dense", "none"], "none is not a folder"),
    (["dense", "pictures", "--card", "llava-1.5-7c"], "did you mean 'llava-1.5-7b'"),
    (["dense", "pictures", "--count", "6"], "5 images; 6 are wanted"),
    (["dense", "pictures", "--out", "p.txt"], "ends in .jsonl"),
    (["pairs", "none"], "is not a folder"),
    (["pairs", "pairs"], "objects.json: "),
    (["pairs", "pairs", "--out", "p.txt"], "ends in .jsonl"),
]


@pytest.mark.parametrize(("arguments", "message"), PROMPTS)
def test_bad_input_of_prompts(
    call: Call, pictures: Path, arguments: list[str], message: str
) -> None:
    (pictures.parent / "text.json").write_text("{")
    (pictures.parent / "empty.json").write_text('{"images": [], "annotations": []}')
    for name in ("images", "masks"):
        (pictures.parent / "pairs" / name).mkdir(parents=True)
        (pictures.parent / "pairs" / name / "a.png").write_bytes(b"x")
    out = [] if "--out" in arguments else ["--out", "p.jsonl"]
    called = call("prompts", *arguments, *out)
    assert called.code == 2
    assert message in called.err
    assert "Traceback" not in called.err
    assert not list(pictures.parent.glob("p.*"))


def test_a_reference_of_all_images_and_of_a_sample(call: Call, pictures: Path) -> None:
    references = []
    for count in ([], ["--count", "3"]):
        out = pictures.parent / f"r{len(references)}.safetensors"
        arguments = (pictures, "--feature", "perceptual", "--size", "32", *count, "--out", out)
        called = call("reference", "build", *arguments, *LOCAL, "--json")
        assert called.code == 0, called.err
        assert json.loads(called.out) == json.loads(out.with_suffix(".json").read_text())
        references.append((json.loads(called.out), load_file(out)["features"]))
    (every, features), (few, rows) = references
    assert (every["n"], every["count"], few["n"], few["count"]) == (N, None, 3, 3)
    assert every["files_sha256"] != few["files_sha256"]
    indices = [int(np.abs(features - row).max(axis=1).argmin()) for row in rows]
    np.testing.assert_allclose(features[indices], rows, rtol=1e-4, atol=1e-5)
    assert indices == sorted(set(indices))
    assert indices != [0, 1, 2]  # the naive sample


def test_the_reference_of_a_users_card_is_written_where_its_metric_looks(
    call: Call, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REFERENCES_VARIABLE, str(tmp_path / "references"))
    feature = with_tiny_card("dinov2", tmp_path)
    called = call("reference", "build", pictures, "--feature", feature, "--size", "32", *LOCAL)
    assert called.code == 0, called.err
    metric = load_metric(f"fd_dinov2@{feature.partition('@')[2]}")
    assert isinstance(metric, ReferenceMetric)
    assert metric.reference_path.parent == tmp_path / "references"
    assert len(metric.reference) == N
