"""`goldenseed import`: images of other programs become a run that everything works on."""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import goldenseed
from pipeline.runs.run import Run
from tests.goldenseed.conftest import Call
from tests.layouts import SD_NEXT, TOOLS, a1111, comfyui, jpeg, pixels, png


def write_grid(
    folder: Path, *, tool: str = "AUTOMATIC1111", prompts: int = 3, seeds: int = 3
) -> Path:
    """Write images of a program; the brightness of each is that of its seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for prompt in range(prompts):
        for seed in range(seeds):
            text = TOOLS[tool](f"a thing number {prompt}", seed + 100)
            (folder / f"{prompt:02d}-{seed}.png").write_bytes(png(pixels(prompt, seed), text))
    return folder


def report_of(call: Call, source: Path, out: Path, *options: object) -> dict:  # type: ignore[type-arg]
    code, text, errors = call("import", source, "--out", out, "--json", *options)
    assert code == 0, errors
    return dict(json.loads(text))


def test_five_programs_become_five_arms(call: Call, tmp_path: Path) -> None:
    for tool in TOOLS:
        write_grid(tmp_path / "in" / tool, tool=tool)
    report = report_of(call, tmp_path / "in", tmp_path / "run")
    assert {arm["settings"]["tool"] for arm in report["arms"]} == set(TOOLS)
    assert {Path(arm["run"]).name for arm in report["arms"]} == {
        tool.replace(" ", "_") for tool in TOOLS
    }
    assert report["skipped"] == {}
    for arm in report["arms"]:
        run = goldenseed.open_run(arm["run"])
        assert sorted(run.seeds) == [100, 101, 102]
        assert {p.text for p in run.prompts} == {f"a thing number {i}" for i in range(3)}
        shown = np.asarray(run.image("a thing number 2", 101))
        assert (shown == np.asarray(pixels(2, 1))).all()


def test_the_whole_path(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "run"
    source = write_grid(tmp_path / "in", prompts=12, seeds=8)
    report_of(call, source, out, "--rank", "failure_rate")
    for command in (["measure", out, "--executor", "local"], ["rank", out], ["publish", out],
                    ["shares", out], ["status", out], ["verify", out],
                    ["study", "share_changes", out]):  # fmt: skip
        code, _, errors = call(*command)
        assert code == 0, (command, errors)
    refused = call("study", "spectrum", out)
    words = " ".join((refused.out + refused.err).split())
    assert "The images of this run were imported, so goldenseed draws no more" in words
    assert not (out / "wanted").exists()
    table = goldenseed.open_run(out).per_seed.filter(metric="brightness", prompt_set=1)
    assert table.sort("seed")["value"].is_sorted()  # as the images were made
    (release,) = (out / "releases").iterdir()
    lists = json.loads((release / "golden_seeds.json").read_text())
    assert lists["noise"]["noise_spec"] == "unknown"
    assert lists["sampling"]["imported"]["sampler"] == "Euler a"
    for recipe in (out, out / "recipe.json"):
        code, _, errors = call("generate", recipe)
        assert code == 2
        assert "cannot draw more of them" in errors


def test_importing_twice_is_the_same_run_and_more_images_are_another(
    call: Call, tmp_path: Path
) -> None:
    source, out = write_grid(tmp_path / "in"), tmp_path / "run"
    first = report_of(call, source, out)
    files = {path: path.read_bytes() for path in (out / "images").rglob("*.parquet")}
    again = report_of(call, source, out)
    assert again["arms"] == first["arms"]
    assert {path: path.read_bytes() for path in (out / "images").rglob("*.parquet")} == files
    moved = report_of(call, Path(shutil.copytree(source, tmp_path / "copy")), tmp_path / "other")
    assert moved["arms"][0]["run_id"] == first["arms"][0]["run_id"]
    (source / "more.png").write_bytes(png(pixels(9, 9), a1111("another", 100)))
    code, _, errors = call("import", source, "--out", out)
    assert code == 2
    assert "added or removed make a new run" in errors
    assert Run.open(out).run_id == first["arms"][0]["run_id"]


def test_the_largest_balanced_part_is_ranked_and_the_rest_is_kept(
    call: Call, tmp_path: Path
) -> None:
    source = write_grid(tmp_path / "in", prompts=4, seeds=4)
    (source / "00-0.png").unlink()
    (arm,) = report_of(call, source, tmp_path / "run")["arms"]
    assert (arm["images"], arm["prompts"], arm["seeds"], arm["rest"]) == (15, 4, 3, 3)
    rest = goldenseed.open_run(tmp_path / "run").rest.select("seed", "text", "status").collect()
    assert sorted(rest.rows()) == [(100, f"a thing number {i}", "ok") for i in (1, 2, 3)]
    assert call("verify", tmp_path / "run").code == 0
    assert json.loads(call("status", tmp_path / "run", "--json").out)[0]["rest"] == 3
    words = " ".join(call("status", tmp_path / "run").out.split())
    assert "12 of 12, and 3 outside the grid" in words
    (shard,) = (tmp_path / "run" / "rest").rglob("*.parquet")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert call("verify", tmp_path / "run").code == 4


def test_what_is_left_out_is_said(call: Call, tmp_path: Path) -> None:
    source = write_grid(tmp_path / "in")
    outside = tmp_path / "secret.png"
    outside.write_bytes(png(pixels(7, 7), a1111("secret", 1)))
    bomb = bytearray(png(pixels(1), a1111("bomb", 1)))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    clear = Image.new("RGBA", (32, 32), (1, 2, 3, 0))
    files = {
        "no.png": png(pixels(1), {}),
        "random.png": png(pixels(2), a1111("a", -1)),
        "large.png": png(pixels(3), a1111("a", 2**53)),
        "again.png": (source / "00-0.png").read_bytes(),
        "zz other.png": png(pixels(4), a1111("a thing number 0", 100)),
        "bomb.png": bytes(bomb),
        "clear.png": png(clear, a1111("a", 5)),
        "cut.png": png(pixels(5), a1111("a", 6))[:-500],
        "size.png": png(pixels(6, size=(64, 32)), a1111("a", 7)),
        "variation.png": png(pixels(8), a1111("a", 8, **{"Variation seed strength": "0.2"})),
        "variation 2.png": png(
            pixels(9), a1111("a", 9, **SD_NEXT, **{"Variation strength": "0.2"})
        ),
        "empty.png": b"",
        "notes.zip": b"PK\x03\x04",
    }
    for name, data in files.items():
        (source / name).write_bytes(data)
    (source / "link.png").symlink_to(outside)
    (source / "folder").symlink_to(tmp_path)
    report = report_of(call, source, tmp_path / "run")
    assert report["arms"][0]["images"] == 9
    skipped = report["skipped"]
    found = {name: reason for reason, row in skipped.items() for name in row["examples"]}
    wanted = {
        "no.png": "no seed", "random.png": "random seed",
        "large.png (9007199254740992)": "2**32",
        "again.png": "the same file again", "zz other.png": "another image of the same",
        "bomb.png": "too large", "clear.png": "transparent", "cut.png": "cannot be decoded",
        "size.png": "too few images", "variation.png": "variation seed",
        "variation 2.png": "variation seed",
        "empty.png": "cannot be decoded", "notes.zip": "no image", "link.png": "symbolic link",
        "folder": "symbolic link",
    }  # fmt: skip
    assert set(found) == set(wanted)
    assert [(name, found[name]) for name, text in wanted.items() if text not in found[name]] == []


def test_jpegs_keep_their_own_metadata(call: Call, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for seed in range(20):
        text = a1111("a horse", seed)["parameters"]
        (source / f"{seed}.jpg").write_bytes(jpeg(pixels(seed), text))
    report = report_of(call, source, tmp_path / "run")
    assert (report["arms"][0]["images"], report["arms"][0]["seeds"]) == (20, 20)
    (note,) = report["notes"].values()
    assert note["count"] == 20
    run = goldenseed.open_run(tmp_path / "run")
    for seed in (0, 19):
        with Image.open(source / f"{seed}.jpg") as image:
            assert (np.asarray(run.image("a horse", seed)) == np.asarray(image)).all()


def test_comfyui_seeds_of_64_bits_keep_32(call: Call, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for seed in (5, 2**53 + 6):
        (source / f"{seed}.png").write_bytes(png(pixels(seed % 100), comfyui("a horse", seed)))
    report = report_of(call, source, tmp_path / "run")
    assert goldenseed.open_run(tmp_path / "run").seeds == [5, 6]
    ((reason, row),) = report["notes"].items()
    assert "last 32 bits" in reason
    assert row["examples"] == ["9007199254740998.png (9007199254740998 -> 6)"]


def test_a_table_goes_before_metadata_and_names(call: Call, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "a red horse").mkdir(parents=True)
    (source / "a red horse" / "seed_3.png").write_bytes(png(pixels(1), {}))
    (source / "a blue horse_seed3.png").write_bytes(png(pixels(2), {}))
    (source / "x.png").write_bytes(png(pixels(3), a1111("wrong", 1)))
    (tmp_path / "secret.png").write_bytes(png(pixels(4), a1111("secret", 1)))
    (source / "list.csv").write_text(
        "file,prompt,seed,category,colour\n"
        "a red horse/seed_3.png,,,animals,red\n"
        "a blue horse_seed3.png,,,animals,blue\n"
        "x.png,a green horse,4,animals,green\n"
        "../secret.png,secret,4,animals,red\n"
    )
    report = report_of(call, source / "list.csv", tmp_path / "run")
    images = pl.concat(
        [goldenseed.open_run(arm["run"]).images.collect() for arm in report["arms"]]
        + [goldenseed.open_run(arm["run"]).rest.collect() for arm in report["arms"] if arm["rest"]]
    )
    assert sorted(images.select("text", "seed", "category").rows()) == [
        ("a blue horse", 3, "animals"),
        ("a green horse", 4, "animals"),
        ("a red horse", 3, "animals"),
    ]
    assert set(report["skipped"]) == {
        "column that is not used",
        "file outside the folder of the table",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"prompt,seed\na,1\n", "wanted file, prompt, seed"),
        ("file,prompt\n".encode("utf-16"), "not UTF-8"),
        (b"file,seed\na.png\n", "found 1 columns"),
        (b"file,seed\na.png,x\n", "wanted a whole number"),
        (b"file,file\na.png,x\n", "twice"),
        (b'file,seed\n"a.png,1\n', "malformed table"),
        (b"file,seed\na\x00.png,1\n", "none of"),
    ],
)
def test_bad_tables_are_refused(call: Call, tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "list.csv").write_bytes(text)
    code, _, errors = call("import", tmp_path / "list.csv", "--out", tmp_path / "run")
    assert (code, message in errors) == (2, True), errors
    assert not (tmp_path / "run").exists()


def test_a_zip_and_an_empty_folder_are_refused(call: Call, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "images"), "zip", write_grid(tmp_path / "in"))
    code, _, errors = call("import", tmp_path / "images.zip")
    assert (code, "unpack it" in errors) == (2, True)
    (tmp_path / "none").mkdir()
    code, _, errors = call("import", tmp_path / "none")
    assert (code, "holds no image" in errors) == (2, True)
