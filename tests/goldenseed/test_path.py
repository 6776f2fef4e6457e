"""The whole path with the shipped model: draw, measure, rank, publish, grow, verify, read."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from datasets import Image as DatasetsImage
from datasets import load_dataset
from pyarrow.dataset import dataset

import goldenseed
from goldenseed.commands import exit_codes
from pipeline.runs.run import Run
from tests.goldenseed.conftest import Call


def contents(run: Path) -> dict[str, str]:
    return {r.shard_id: r.content_sha256 for r in Run.open(run).images.receipts()}


def files(run: Path) -> dict[str, int]:
    return {str(p.relative_to(run)): p.stat().st_mtime_ns for p in run.glob("images/**/*.parquet")}


def test_a_release_states_the_run_grid_noise_and_model(made: Path) -> None:
    (release,) = (made / "run/releases").iterdir()
    golden = json.loads((release / "golden_seeds.json").read_text())
    text = json.dumps(golden)
    for word in ("run_id", "grid_hash", "noise_spec", "first16", "card", "sha256", "demonstration"):
        assert word in text
    assert goldenseed.golden_seeds(release) == [row["seed"] for row in golden["seeds"]]
    for line in (release / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest


def test_same_command_again_changes_no_shard_and_no_release(
    call: Call, recipe: Path, run_folder: Path
) -> None:
    before = files(run_folder)
    called = call("run", recipe, "--out", run_folder, "--executor", "local")
    assert called.code == 0
    assert {k: v for k, v in files(run_folder).items() if "manifest" not in k} == {
        k: v for k, v in before.items() if "manifest" not in k
    }
    assert len(list((run_folder / "releases").iterdir())) == 1


def test_growing_redraws_nothing(call: Call, recipe: Path, run_folder: Path) -> None:
    before, shards = files(run_folder), contents(run_folder)
    grown = ("--seeds", "10", "--prompts", "44", "--executor", "local")
    assert call("generate", recipe, "--out", run_folder, *grown).code == 0
    after = files(run_folder)
    assert {name: after[name] for name in before if "manifest" not in name} == {
        name: time for name, time in before.items() if "manifest" not in name
    }
    assert contents(run_folder).items() > shards.items()
    view = goldenseed.open_run(run_folder)
    keys = view.images.select("prompt_id", "seed").collect().rows()
    wanted = {(prompt.id, seed) for prompt in view.prompts for seed in range(10)}
    assert Counter(keys) == Counter(wanted)
    assert len(view.prompts) == 44


def test_parts_make_the_whole(call: Call, recipe: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    for part in ("1/2", "2/2"):
        options = ("--part", part, "--executor", "local")
        assert call("generate", recipe, "--out", out, *options).code == 0
    assert contents(out) == contents(made / "run")


def test_ray_gives_what_local_gives(call: Call, recipe: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "ray"
    options = ("--prompts", "16", "--workers", "2", "--executor", "ray")
    assert call("generate", recipe, "--out", out, *options).code == 0
    drawn = contents(out)
    assert len(drawn) == 4
    assert drawn.items() <= contents(made / "run").items()


def test_measuring_later_gives_what_measuring_at_once_gave(
    call: Call, recipe: Path, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "later"
    small = ("--prompts", "16", "--seeds", "8", "--executor", "local")
    assert call("generate", recipe, "--out", out, *small).code == 0
    assert call("measure", out, "--executor", "local").code == 0

    def hashes(run: Path) -> dict[str, str]:
        """`<feature>/<block>/<shard>.json` -> content hash."""
        features = run / "receipts/features"
        return {
            str(path.relative_to(features)): json.loads(path.read_text())["content_sha256"]
            for path in features.glob("*/*/*.json")
        }

    later, at_once = hashes(out), hashes(made / "run")
    assert Counter(key.split("-")[0] for key in later) == {"perceptual": 4, "appearance": 4}
    assert later.items() <= at_once.items()


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_verify_finds_damage_and_repair_heals_it(
    call: Call, recipe: Path, run_folder: Path, damage: str
) -> None:
    assert call("verify", run_folder).code == 0
    intact = contents(run_folder)
    run = Run.open(run_folder)
    receipt = next(run.images.receipts())
    path = run.store.path(f"images/{receipt.file}")
    blob = bytearray(path.read_bytes())
    blob[len(blob) // 2] ^= 1
    {
        "flip": lambda: path.write_bytes(blob),
        "truncate": lambda: path.write_bytes(blob[: len(blob) // 2]),
        "empty": lambda: path.write_bytes(b""),
        "remove": path.unlink,
    }[damage]()
    called = call("verify", run_folder)
    assert called.code == exit_codes.DAMAGED
    assert receipt.shard_id in called.out
    assert call("verify", run_folder, "--repair").code == exit_codes.DAMAGED
    assert call("run", recipe, "--out", run_folder, "--executor", "local").code == 0
    assert contents(run_folder) == intact
    assert call("verify", run_folder).code == 0


def bytes_of_every_kind(path: Path) -> dict[str, int]:
    """Offset of one byte in each part of a Parquet file."""
    metadata = pq.read_metadata(path)
    size = path.stat().st_size
    return {
        "magic number": 0,
        "page header": metadata.row_group(0).column(0).data_page_offset,
        "page": size // 2,
        "footer": size - 8 - metadata.serialized_size // 2,
        "length of the footer": size - 8,
        "last": size - 1,
    }


def test_verify_finds_a_flipped_byte_anywhere(call: Call, run_folder: Path) -> None:
    run = Run.open(run_folder)
    receipt = next(run.images.receipts())
    path = run.store.path(f"images/{receipt.file}")
    data = path.read_bytes()
    for part, offset in bytes_of_every_kind(path).items():
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        called = call("verify", run_folder)
        assert (called.code, part) == (exit_codes.DAMAGED, part)
        assert receipt.shard_id in called.out
    path.write_bytes(data)
    assert call("verify", run_folder).code == 0


def test_shards_open_elsewhere(made: Path, tmp_path: Path) -> None:
    """Other programs read the whole folder: the images, all and only."""
    assert Counter(cells_elsewhere(made / "run/images", tmp_path)) == {(320, 8, 40): 6}
    loaded = load_dataset(str(made / "run/images"), cache_dir=str(tmp_path))["train"]
    assert isinstance(loaded.features["image"], DatasetsImage)
    assert loaded[0]["image"].size == (64, 64)


def cells_elsewhere(folder: Path, cache: Path) -> list[tuple[int, ...]]:
    """Count rows, seeds and prompts of a folder of shards, as six readers see it."""
    everything = f"{folder}/**/*.parquet"
    count = "select count(*), count(distinct seed), count(distinct prompt_id) from read_parquet"
    (in_duckdb,) = duckdb.sql(f"{count}('{everything}')").fetchall()
    tables = [
        pl.read_parquet(everything).to_arrow(),
        pl.scan_parquet(folder).collect().to_arrow(),
        dataset(folder).to_table(),
        load_dataset("parquet", data_dir=str(folder), cache_dir=str(cache))["train"].data.table,
        load_dataset(str(folder), cache_dir=str(cache))["train"].data.table,
    ]
    counted = [
        (table.num_rows, *(len(table[name].unique()) for name in ("seed", "prompt_id")))
        for table in tables
    ]
    return [in_duckdb, *counted]


def test_status_and_plan_agree(call: Call, recipe: Path, made: Path) -> None:
    status = json.loads(call("status", made / "run", "--json").out)[0]
    plan = json.loads(call("plan", recipe, "--out", made / "run", "--json").out)[0]
    assert status["cells"] == plan["cells"] == 320
    assert status["shards_done"] == plan["done"] == plan["shards"] == 10
    assert plan["image_bytes"] == 0
    assert status["ranked"]


def test_tables_for_people(call: Call, made: Path) -> None:
    assert "320 of 320" in call("status", made / "run").out
    assert "GPU-hours" in call("plan", "sd2-base").out
    ranked = call("rank", made / "run")
    assert "Golden seeds:" in ranked.out
    assert "chance" in ranked.out or "unrelated" in ranked.out
    assert "Noise floor:" in ranked.out
