"""A recipe that `goldenseed init` wrote is drawn as it is, and says where its values come from."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.goldenseed.conftest import Call
from tests.goldenseed.init.conftest import FOLDER, write


def test_a_local_folder_becomes_a_list(
    call: Call, prompts: Path, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path
) -> None:
    """From a folder to a list of seeds without touching YAML."""
    file = write(
        call, prompts, "--seeds", 8, "--steps", 1, "--rank", "failure_rate", model=tiny_folder
    )
    monkeypatch.chdir(prompts.parent)
    assert call("plan", file).code == 0
    called = call("run", file, "--executor", "local")
    assert called.code == 0, called.err
    assert list(prompts.parent.glob("runs/study/releases/*/golden_seeds.json"))


def test_a_folder_with_the_files_of_a_shipped_card_is_that_model(
    call: Call, prompts: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "mine")
    fields = yaml.safe_load(write(call, prompts, model=folder).read_text())
    assert fields["card"]["demonstration"] is True
    assert fields["card"]["num_inference_steps"] == 20
    assert fields["ranking"] == {"metric": "kid_perceptual"}
    config = folder / "vae" / "config.json"
    config.write_text(config.read_text() + " ")
    fields = yaml.safe_load(write(call, prompts, model=folder).read_text())
    assert "demonstration" not in fields["card"]
    assert fields["card"]["num_inference_steps"] == 50


def test_each_value_says_where_it_comes_from(call: Call, prompts: Path, tiny_folder: Path) -> None:
    file = write(call, prompts, model=tiny_folder)
    text, card = file.read_text(), yaml.safe_load(file.read_text())["card"]
    assert "# vae/config.json" in text
    assert "predicts epsilon (scheduler/scheduler_config.json)" in text
    assert (card["latent_channels"], card["vae_factor"]) == (4, 8)
    assert (card["height"], card["scheduler"]) == (64, "DDIMScheduler")
    assert (card["num_inference_steps"], card["guidance_scale"]) == (50, 7.5)
    fields = [line for line in text.splitlines() if line.startswith("  ") and ":" in line]
    assert all("#" in line for line in fields), "no value without its source"


def test_a_recipe_holds_its_card_and_arms_may_have_others(
    call: Call, tmp_path: Path, prompts: Path, tiny_folder: Path
) -> None:
    """Checkpoint x seed: fields of another card, and a whole other card."""
    fields = yaml.safe_load(write(call, prompts, "--seeds", 2, "--steps", 1).read_text())
    tiny_card = yaml.safe_load(write(call, prompts, "--steps", 2, model=tiny_folder).read_text())
    fields |= {"features": ["appearance"], "metrics": ["brightness"], "ranking": None}
    fields["arms"] = {
        "plain": {},
        "guided": {"guidance_scale": 2.5},
        "steps": {"card": {"num_inference_steps": 2}},
        "other": {"card": tiny_card["card"] | {"name": "tiny"}},
        "named": {"card": "seedling-mini-b", "num_inference_steps": 1},
    }
    file = tmp_path / "arms.yaml"
    file.write_text(yaml.safe_dump(fields, sort_keys=False))
    out = tmp_path / "out"
    planned = call("plan", file, "--out", out, "--json")
    assert planned.code == 0, planned.err
    cards = {row["arm"]: row["card"] for row in json.loads(planned.out)}
    assert cards == {
        "plain": "seedling-mini", "guided": "seedling-mini", "steps": "steps", "other": "tiny",
        "named": "seedling-mini-b",
    }  # fmt: skip
    called = call("generate", file, "--out", out, "--executor", "local", "--prompts", 2)
    assert called.code == 0, called.err
    configs = {p.parent.name: json.loads(p.read_text())["config"] for p in out.glob("*/run.json")}
    assert configs["steps"]["num_inference_steps"] == 2
    assert configs["steps"]["card_sha256"] == configs["plain"]["card_sha256"]
    shas = {configs[name]["card_sha256"] for name in ("plain", "other", "named")}
    assert len(shas) == 3
    assert configs["plain"]["num_inference_steps"] == 1


def test_names_that_yaml_or_folders_would_change_survive(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    names = ("1e3", "007", "true", "my model: é #1", "yes")
    folders = [shutil.copytree(tiny_folder, tmp_path / name) for name in names]
    options = [option for folder in folders[1:] for option in ("--model", folder)]
    file = write(call, prompts, "--steps", 1, *options, model=folders[0])
    planned = call("plan", file, "--json")
    assert planned.code == 0, planned.err
    rows = {row["arm"]: row["card"] for row in json.loads(planned.out)}
    assert list(rows) == ["1e3", "007", "true", "my-model-----1", "yes"]
    again = tmp_path / "again" / "007"
    shutil.copytree(tiny_folder, again)
    called = call("init", "--model", folders[1], "--model", again, "--prompts", prompts)
    assert called.code == 2
    assert "two models are called 007" in called.err


def test_a_gpu_of_a_size_decides_what_saves_memory(
    call: Call, prompts: Path, tiny_folder: Path
) -> None:
    called = call("init", "--model", tiny_folder, "--prompts", prompts, "--device", "gpu",
                  "--vram", 8, "--height", 1024, "--width", 1024)  # fmt: skip
    assert called.code == 0, called.err
    card = yaml.safe_load(called.out)["card"]
    assert (card["gpu"], card["dtype"]) == (True, "float16")
    assert card["memory"] == {"vae_slicing": True}
    file = prompts.with_name("study.yaml")
    file.write_text(called.out)
    planned = call("plan", file)
    assert planned.code == 0, planned.err
    assert "memory on the GPU: about 1." in planned.out
    assert "not measured on a GPU" in planned.out
    called = call("init", "--model", tiny_folder, "--prompts", prompts, "--device", "gpu",
                  "--vram", 0.1)  # fmt: skip
    assert called.code == 2
    assert "does not fit into 0.1 GiB" in called.err


def cached(home: Path, repo: str, folder: Path, commit: str = "0" * 40) -> None:
    """Put a folder into the cache of the hub, as `hf download` leaves it."""
    place = home / f"models--{repo.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)


def test_a_repository_is_read_from_the_cache_and_pinned(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached(tmp_path, "me/mine", tiny_folder)
    file = write(call, prompts, "--steps", 1, model="me/mine")
    card = yaml.safe_load(file.read_text())["card"]
    assert (card["repo"], card["revision"]) == ("me/mine", "0" * 40)
    called = call("generate", file, "--prompts", 1, "--seeds", 1, "--executor", "local",
                  "--out", tmp_path / "run")  # fmt: skip
    assert called.code == 0, called.err
    called = call("init", "--model", "me/other", "--prompts", prompts, "--device", "cpu")
    assert called.code == 2
    assert "me/other, which are not in the local hub cache" in called.err
