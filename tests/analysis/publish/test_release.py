import csv
import errno
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.publish import base, publish
from analysis.publish.base import SUMS, safe_cell, write_release
from analysis.publish.release.columns import LISTS, to_csv
from analysis.publish.release.lists import SeedLists
from analysis.ranking.rank import rank
from analysis.ranking.result import Ranking
from pipeline.errors import RunError, StoreError
from pipeline.noise import noise_spec
from pipeline.runs.run import Run
from tests.analysis import synthetic

NAMES = {
    *("CITATION.cff", "README.md", "SHA256SUMS", "contact_sheet.png", "croissant.json"),
    *(f"{name}_seeds.{kind}" for name in ("bad", "golden") for kind in ("csv", "json", "parquet")),
    *("noise_spec.json", "noise_spec.schema.json", "prompts.parquet"),
    *("seed_list.schema.json", "tested_seeds.csv", "tested_seeds.parquet"),
}


def brighter(prompt: synthetic.Prompt, seed: int) -> synthetic.Pixels:
    """Each seed has its own brightness, so that the ranking is confirmed."""
    return (synthetic.noisy(prompt, seed) // 8 + seed * 7).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    return synthetic.measured(folder, brighter, seeds=range(16), n_prompts=20)


@pytest.fixture(scope="module")
def ranking(run: Run) -> Ranking:
    return rank(run)


def test_a_release_holds_the_lists_with_all_that_they_rest_on(run: Run, ranking: Ranking) -> None:
    folder = publish(run, ranking, name="first")
    assert folder == run.root / "releases" / "first-v1"
    assert {path.name for path in folder.iterdir()} == NAMES
    assert ranking.golden.confirmed
    golden = json.loads((folder / "golden_seeds.json").read_text())
    assert [row["seed"] for row in golden["seeds"]] == list(ranking.golden.seeds)
    assert golden["demonstration"] is True
    assert "small model" in golden["demonstration_note"]
    assert (golden["run_id"], golden["grid_hash"]) == (run.run_id, run.grid_hash)
    assert golden["model"]["card_sha256"] == run.config.card_sha256
    assert golden["metric"]["metric_id"] == ranking.metric_id
    assert golden["null_p"] == ranking.golden.null_p
    for row in golden["seeds"]:
        assert row["ci_low"] < row["value"] < row["ci_high"]
        assert row["n"] == ranking.n_set2


def test_the_check_values_are_what_a_user_draws(run: Run, ranking: Ranking) -> None:
    noise = json.loads(SeedLists().files(run, ranking)["golden_seeds.json"])["noise"]
    for check in noise["check"]:
        generator = torch.Generator("cpu").manual_seed(check["seed"])
        drawn = torch.randn(noise["latents_shape"], generator=generator).flatten()[:16]
        np.testing.assert_allclose(drawn, check["first16"], atol=check["atol"])


def test_the_readme_tells_users_how_to_make_the_generator(run: Run, ranking: Ranking) -> None:
    text = (publish(run, ranking, name="code") / "README.md").read_text()
    assert f"```python\n{noise_spec(run.config.noise).user_code}\nimage = pipe(" in text


def test_the_checksums_are_those_of_the_files(run: Run, ranking: Ranking) -> None:
    folder = publish(run, ranking, name="sums")
    lines = (folder / SUMS).read_text().splitlines()
    assert {line.split("  ")[1] for line in lines} == NAMES - {SUMS}
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_equal_bytes_are_left_alone_and_other_content_is_a_new_version(
    run: Run, ranking: Ranking, tmp_path: Path
) -> None:
    first = publish(run, ranking, name="list", folder=tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    assert publish(run, ranking, name="list", folder=tmp_path) == first
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == before
    second = publish(run, replace(ranking, dropped=1), name="list", folder=tmp_path)
    assert second.name == "list-v2"
    assert publish(run, ranking, name="list", folder=tmp_path) == first
    (first / "golden_seeds.csv").write_text("edited")
    assert publish(run, ranking, name="list", folder=tmp_path).name == "list-v3"
    assert (first / "golden_seeds.csv").read_text() == "edited"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_ranking_of_another_grid_is_refused(run: Run, ranking: Ranking) -> None:
    with pytest.raises(RunError, match="rank it first"):
        publish(run, replace(ranking, grid_hash="0" * 16), name="x")


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a/b", "a b"])
def test_names_that_are_no_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="is no name for a release"):
        write_release(tmp_path, name, {})


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_release(tmp_path / "file" / "releases", "x", {"a": b""})


def test_a_folder_that_cannot_be_flushed_ends_in_words_with_one_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(base, "sync_folder", fail)
    with pytest.raises(StoreError, match=r"r-v1 is written and whole.*check the disk"):
        write_release(tmp_path, "r", {"a": b"1"})
    monkeypatch.undo()
    assert write_release(tmp_path, "r", {"a": b"1"}) == tmp_path / "r-v1"
    assert [path.name for path in tmp_path.iterdir()] == ["r-v1"]


def test_a_file_with_the_name_of_a_release_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "r-v1").write_text("mine")
    assert write_release(tmp_path, "r", {"a": b"1"}) == tmp_path / "r-v2"
    assert (tmp_path / "r-v1").read_text() == "mine"


@pytest.mark.parametrize(
    "start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"]
)
def test_no_text_cell_begins_a_formula(start: str) -> None:
    row = {**dict.fromkeys(LISTS.names, -0.5), "model": start, "unit": "plain"}
    text = to_csv(LISTS, [row]).decode()
    header, cells = list(csv.reader(io.StringIO(text, newline="")))
    found = dict(zip(header, cells, strict=True))
    assert found["model"] == f"'{start}"
    assert found["unit"] == "plain"
    assert float(found["value"]) == -0.5  # numbers stay numbers
    assert safe_cell(start) != start


def test_an_empty_list_is_a_release_too(run: Run, ranking: Ranking) -> None:
    nothing = replace(ranking, golden=replace(ranking.golden, seeds=(), confirmed=False))
    folder = publish(run, nothing, name="empty")
    assert json.loads((folder / "golden_seeds.json").read_text())["seeds"] == []
    assert (folder / "golden_seeds.csv").read_text().startswith("rank,seed,list,value")
    assert len((folder / "golden_seeds.csv").read_text().splitlines()) == 1
    assert "Golden seeds: none." in (folder / "README.md").read_text()


def test_a_run_that_kept_no_images_has_a_release_without_a_sheet(
    run: Run, ranking: Ranking, tmp_path: Path
) -> None:
    bare = synthetic.start(tmp_path, seeds=range(16), n_prompts=20)
    synthetic.draw_all(bare, brighter, keep=False)
    folder = publish(bare, ranking, name="bare")  # the same run_id and grid
    assert {path.name for path in folder.iterdir()} == NAMES - {"contact_sheet.png"}
