"""Single files, LoRAs, autoencoders and many checkpoints, as `goldenseed init` writes them."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from pipeline.cards.card import load_cards
from tests.goldenseed.conftest import Call
from tests.goldenseed.init.conftest import write
from tests.pipeline import tiny, tiny_files, tiny_loras, tiny_pipelines


def test_a_single_file_becomes_a_run(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With configs of one's own, because tiny networks are of no family that ships."""
    monkeypatch.setitem(tiny_files.WRITERS, "StableDiffusionPipeline", tiny_files.sd2)
    model = tiny_files.save(tiny_folder, tmp_path / "x.safetensors")
    file = write(call, prompts, "--steps", 1, "--config", tiny_folder, model=model)
    called = call("generate", file, "--prompts", 2, "--seeds", 2, "--executor", "local",
                  "--out", tmp_path / "run")  # fmt: skip
    assert called.code == 0, called.err
    model.write_bytes(model.read_bytes()[:-100])
    called = call("init", "--model", model, "--prompts", prompts, "--device", "cpu")
    assert called.code == 2
    assert "its download stopped early" in called.err


def test_loras_and_an_autoencoder_are_written_and_drawn(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    lora = tiny_loras.write(tiny_folder, tmp_path / "my lora.safetensors")
    word = tmp_path / "word.safetensors"
    save_file({"emb_params": torch.ones(2, tiny.TEXT_WIDTH)}, word)
    file = write(call, prompts, "--steps", 1, "--lora", f"{lora}:0.8", "--lora", lora,
                 "--embedding", f"{word}:<w>", "--embedding", word,
                 "--vae", tiny_folder, model=tiny_folder)  # fmt: skip
    card = yaml.safe_load(file.read_text())["card"]
    assert [(one["path"], one["token"]) for one in card["embeddings"]] == [
        (str(word), "<w>"), (str(word), "word")
    ]  # fmt: skip
    assert [(one["path"], one["weight"]) for one in card["loras"]] == [
        (str(lora), 0.8), (str(lora), 1.0)
    ]  # fmt: skip
    assert card["parts"]["vae"]["subfolder"] == "vae"
    called = call("generate", file, "--prompts", 2, "--seeds", 2, "--executor", "local",
                  "--out", tmp_path / "run")  # fmt: skip
    assert called.code == 0, called.err
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert config["lora_weights"] == [0.8, 1.0]
    assert config["embedding_tokens"] == ["<w>", "word"]


def test_a_lora_or_autoencoder_that_does_not_fit_is_refused(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    wide, none = tmp_path / "wide.safetensors", tmp_path / "none.safetensors"
    save_file({"lora_unet_a_attn2_to_k.lora_down.weight": torch.ones(4, 2048)}, wide)
    save_file({"x": torch.ones(1)}, none)
    for options, wanted in (
        (("--lora", wide), "texts of width 2048, and those of this model have 32"),
        (("--lora", f"{none}:0.5"), "is no LoRA"),
        (("--lora", "gone.safetensors:1"), "gone.safetensors is no file"),
        (("--embedding", "gone:x"), "gone is no file"),
        (("--vae", none), "holds no autoencoder"),
        (("--vae", tmp_path), "holds no config.json of an autoencoder"),
        (("--vae", "gone"), "no such file or folder"),
    ):
        called = call("init", "--model", tiny_folder, "--prompts", prompts, *options)
        assert called.code == 2
        assert wanted in called.err


def test_the_rest_of_a_file_comes_from_a_base(call: Call, prompts: Path, tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path / "folder", load_cards()["flux-schnell"])
    names = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,), "img_in.weight": (1, 64),
             "double_blocks.18.img_attn.norm.key_norm.scale": (128,)}  # fmt: skip
    model = tmp_path / "flux.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, model)
    called = call("init", "--model", model, "--prompts", prompts, "--device", "cpu")
    assert called.code == 2
    assert "--base: the file holds no text_encoder, text_encoder_2, vae" in called.err
    file = write(call, prompts, "--base", card.path, model=model)
    fields = yaml.safe_load(file.read_text())["card"]
    assert fields["config"] == "flux-schnell"
    assert fields["parts"]["text_encoder_2"] == {
        "use": "component", "component": "text_encoder_2", "kind": "transformers:T5EncoderModel",
        "path": card.path, "subfolder": "text_encoder_2",
    }  # fmt: skip


def test_eighty_checkpoints_are_eighty_arms(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    first = tiny_files.save(tiny_folder, tmp_path / "m00.safetensors")
    tensors = load_file(first)
    options: list[object] = []
    for number in range(1, 80):
        other = tmp_path / f"m{number:02}.safetensors"
        if number < 3:
            save_file(tensors | {"extra": torch.full((1,), number)}, other)
        else:
            other.hardlink_to(first)
        options += ["--model", other]
    file = write(call, prompts, "--steps", 1, "--seeds", 1, "--config", tiny_folder, *options,
                 model=first)  # fmt: skip
    fields = yaml.safe_load(file.read_text())
    assert len(fields["arms"]) == 80
    assert fields["arms"]["m07"] == {
        "card": {"path": str(tmp_path / "m07.safetensors"), "name": "m07"}
    }
    assert "# Nothing is ranked: 1 seed cannot be ranked" in file.read_text()
    planned = call("plan", file, "--json")
    assert planned.code == 0, planned.err
    assert [row["card"] for row in json.loads(planned.out)] == [f"m{n:02}" for n in range(80)]
    few = {name: fields["arms"][name] for name in ("m00", "m01", "m07")}
    file.write_text(yaml.safe_dump(fields | {"arms": few}))
    called = call("generate", file, "--prompts", 1, "--executor", "local", "--out", tmp_path / "r")
    assert called.code == 0, called.err
    configs = [json.loads(p.read_text())["config"] for p in sorted(tmp_path.glob("r/*/run.json"))]
    assert configs[0]["card_sha256"] == configs[2]["card_sha256"] != configs[1]["card_sha256"]
