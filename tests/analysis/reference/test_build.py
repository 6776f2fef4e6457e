"""Test references of real images: their numbers, the report of bad images, and resuming."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file

from analysis.features import load_feature
from analysis.features.base import Batch
from analysis.reference import build, parts
from analysis.reference.parts import NO_PROMPT, Plan
from goldenseed.steps.reference import build_reference
from goldenseed.steps.steps import Workers
from pipeline.errors import ConfigError, GoldenseedError, ImageFileError, RunError
from pipeline.prompts.image_files import crop_square, decode_image_file
from pipeline.storage.schema import IMAGE_TYPE

LOCAL = Workers("local")
N, SIZE = 21, 64


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "b").mkdir(parents=True)
    for number in range(N):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 256, (70 + number, 90, 3), np.uint8)
        name = f"b/{number}.jpg" if number % 2 else f"{number}.png"
        Image.fromarray(pixels).save(folder / name)
    return folder


def plan(source: Path, size: int = SIZE, feature: str = "perceptual") -> Plan:
    return Plan(source, feature, size)


def expected(folder: Path, names: list[str]) -> np.ndarray:
    """Extract the feature of one image after the other, without parts."""
    feature = load_feature("perceptual")
    feature.setup()
    rows = []
    for name in names:
        image = crop_square(decode_image_file((folder / name).read_bytes()).image, SIZE)
        batch = Batch(np.asarray(image)[None], [NO_PROMPT])
        rows.append(feature.extract(batch)["embedding"][0])
    return np.stack(rows)


def names_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_features_of_every_image_with_what_they_are(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "perceptual.safetensors"
    about = build_reference(plan(pictures), out, LOCAL)
    features = load_file(out)["features"]
    wanted = expected(pictures, names_of(pictures))
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, wanted, rtol=1e-4, atol=1e-5)
    assert not np.allclose(features, wanted[::-1], atol=1e-3)  # the order can be seen
    assert json.loads(out.with_suffix(".json").read_text()) == about
    assert about["n"] == N
    assert about["feature_identity"] == load_feature("perceptual").identity()
    assert about["resize"]["size"] == SIZE
    assert not (tmp_path / "out" / "perceptual.safetensors.parts").exists()
    assert build_reference(plan(pictures), out, LOCAL) == about
    with pytest.raises(ConfigError, match="another reference"):
        build_reference(plan(pictures, size=32), out, LOCAL)
    out.write_bytes(out.read_bytes() + b" ")
    with pytest.raises(ConfigError, match="is not the file that the JSON"):
        build_reference(plan(pictures), out, LOCAL)


def test_the_hash_of_the_files_sees_one_changed_byte_and_one_name(
    pictures: Path, tmp_path: Path
) -> None:
    first = build_reference(plan(pictures), tmp_path / "1.safetensors", LOCAL)
    (pictures / "0.png").rename(pictures / "00.png")
    second = build_reference(plan(pictures), tmp_path / "2.safetensors", LOCAL)
    data = (pictures / "00.png").read_bytes()
    (pictures / "00.png").write_bytes(data + b"\0")
    third = build_reference(plan(pictures), tmp_path / "3.safetensors", LOCAL)
    assert len({about["files_sha256"] for about in (first, second, third)}) == 3


@pytest.mark.parametrize("kind", ["struct", "bytes"])
def test_parquet_gives_what_the_folder_gives(
    pictures: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PER_PART", 4)
    data = [(pictures / name).read_bytes() for name in names_of(pictures)]
    folder = tmp_path / "parquet"
    folder.mkdir()
    for number, part in enumerate((data[:9], data[9:])):
        values = [{"bytes": one, "path": None} for one in part] if kind == "struct" else part
        column = pa.array(values, IMAGE_TYPE if kind == "struct" else pa.binary())
        table = pa.table({"label": pa.array(range(len(part))), "image": column})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=5)
    build_reference(plan(folder), tmp_path / "p.safetensors", LOCAL)
    features = load_file(tmp_path / "p.safetensors")["features"]
    wanted = expected(pictures, names_of(pictures))
    np.testing.assert_allclose(features, wanted, rtol=1e-4, atol=1e-5)


def test_the_same_command_goes_on(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PER_PART", 5)
    whole = tmp_path / "whole.safetensors"
    build_reference(plan(pictures), whole, LOCAL)
    measure, calls = parts.ReferenceStage._measure, []

    def stopping(stage: parts.ReferenceStage, part: parts.Part) -> bytes:
        calls.append(part.start)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return measure(stage, part)

    monkeypatch.setattr(parts.ReferenceStage, "_measure", stopping)
    out = tmp_path / "out.safetensors"
    with pytest.raises(KeyboardInterrupt):
        build_reference(plan(pictures), out, LOCAL)
    assert not out.exists()
    build_reference(plan(pictures), out, LOCAL)
    assert calls == [0, 5, 10, 10, 15, 20]
    assert out.read_bytes() == whole.read_bytes()


def test_bad_images_are_counted_with_the_reason_or_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.safetensors"
    (pictures / "0.png").write_bytes(b"no picture")
    Image.new("RGBA", (80, 80), (1, 2, 3, 4)).save(pictures / "glass.png")
    Image.new("RGB", (1, 1)).save(pictures / "one.png")
    Image.new("L", (20, 20), 90).save(pictures / "grey.png")
    with pytest.raises(ImageFileError, match="3 of 24 images could not be used"):
        build_reference(plan(pictures), out, LOCAL)
    assert not out.exists()
    monkeypatch.setattr(build, "MAX_SKIPPED", 0.5)
    about = build_reference(plan(pictures), out, LOCAL)
    reasons = {row["name"]: row["reason"] for row in about["skipped"]}
    assert reasons.keys() == {"0.png", "glass.png", "one.png"}
    assert "transparent" in reasons["glass.png"]
    assert "1 x 1" in reasons["one.png"]
    assert (about["n"], about["converted_to_rgb"], about["enlarged"]) == (N, 1, 1)


def meddle(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Change the files after they are hashed and before they are measured."""
    cut = parts.plan_parts

    def late(*what: Any) -> list[parts.Part]:  # noqa: ANN401
        found = cut(*what)
        change()
        return found

    monkeypatch.setattr(parts, "plan_parts", late)


def test_an_image_that_changes_while_the_command_runs_is_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = ((pictures / name).read_bytes() for name in ("0.png", "2.png"))
    out = tmp_path / "r.safetensors"
    with monkeypatch.context() as patch:
        meddle(patch, lambda: (pictures / "0.png").write_bytes(other))
        with pytest.raises(GoldenseedError, match=r"0\.png changed while the command ran"):
            build_reference(plan(pictures), out, LOCAL)
    assert not out.exists()
    (pictures / "0.png").write_bytes(own)
    assert build_reference(plan(pictures), out, LOCAL)["n"] == N


@pytest.mark.parametrize("gone", [True, False])
def test_other_images_than_were_hashed_are_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    png = pictures / "0.png"
    more = png.read_bytes()
    meddle(monkeypatch, png.unlink if gone else lambda: (pictures / "00.png").write_bytes(more))
    out = tmp_path / "r.safetensors"
    with pytest.raises(RunError, match="holds other images than when the command began"):
        build_reference(plan(pictures), out, LOCAL)
    assert not out.exists()


def test_images_may_be_left_to_the_feature(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.safetensors"
    build_reference(plan(pictures, size=0), out, LOCAL)
    assert len(load_file(out)["features"]) == N


def test_what_cannot_be_a_reference_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vector columns none"):
        build_reference(plan(pictures, feature="appearance"), tmp_path / "r.safetensors", LOCAL)
    with pytest.raises(ImageFileError, match="is not a folder"):
        build_reference(plan(tmp_path / "none"), tmp_path / "r.safetensors", LOCAL)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(ImageFileError, match="cannot be read as Parquet"):
        build_reference(plan(tmp_path / "bad.parquet"), tmp_path / "r.safetensors", LOCAL)
