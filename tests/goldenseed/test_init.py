"""A recipe that `goldenseed init` wrote is drawn as it is, and is refused in words before that."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from pipeline.cards.card import load_cards
from tests.goldenseed.conftest import Call
from tests.pipeline import tiny, tiny_files, tiny_loras, tiny_pipelines

FOLDER = "seedling/weights/seedling-mini"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "p.txt"
    file.write_text("\n".join(f"thing {number}" for number in range(16)))
    return file


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SD 2.0's classes with tiny weights."""
    folder = tmp_path_factory.mktemp("tiny") / "my-model"
    tiny.checkpoint(folder, load_cards()["sd2"])
    return folder


def write(call: Call, prompts: Path, *options: object, model: object = FOLDER) -> Path:
    called = call("init", "--model", model, "--prompts", prompts, "--device", "cpu", *options)
    assert called.code == 0, called.err
    file = prompts.with_name("study.yaml")
    file.write_text(called.out)
    return file


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


def test_what_the_files_do_not_say_is_asked_for_by_name(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    turbo = shutil.copytree(tiny_folder, tmp_path / "my-turbo")
    called = call("init", "--model", turbo, "--prompts", prompts, "--device", "cpu")
    assert called.code == 2
    assert "--steps: its name contains 'turbo'" in called.err
    assert "--guidance: " in called.err
    file = write(call, prompts, "--steps", 1, "--guidance", 0, model=turbo)
    assert yaml.safe_load(file.read_text())["card"]["guidance_scale"] == 0


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


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"dtyp": "float32"}, "did you mean 'dtype'"),
        ({"height": "tall"}, "height: Input should be a valid integer"),
    ],
)
def test_a_mistake_in_the_card_of_a_recipe_is_named(
    call: Call, prompts: Path, tmp_path: Path, change: dict[str, object], wanted: str
) -> None:
    fields = yaml.safe_load(write(call, prompts).read_text())
    for place in ({"card": fields["card"] | change}, {"arms": {"a": {"card": change}}}):
        file = tmp_path / "wrong.yaml"
        file.write_text(yaml.safe_dump(fields | place))
        called = call("plan", file)
        assert called.code == 2
        assert wanted in called.err


def test_what_is_no_model_is_refused_in_words(call: Call, prompts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    many = tmp_path / "many"
    many.mkdir()
    for name in ("a", "b"):
        (many / f"{name}.safetensors").write_bytes(b"")
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / "old.ckpt")
    cases = {
        tmp_path / "empty": "holds no model_index.json and no .safetensors",
        many: "which one is the model?",
        tmp_path / "old.ckpt": "weights_only=True",
        tmp_path / "gone": "no model",
        "sdxl-base": "is a card that ships",
        "": "no model",
    }
    for model, wanted in cases.items():
        called = call("init", "--model", model, "--prompts", prompts, "--device", "cpu")
        assert called.code == 2, called.err
        assert wanted in called.err
        assert not called.out


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


def test_a_folder_that_would_run_code_is_refused(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "foreign")
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": {"A": "evil.A"}}))
    called = call("init", "--model", folder, "--prompts", prompts, "--device", "cpu")
    assert called.code == 2
    assert "auto_map runs Python code" in called.err


def test_wrong_prompts_or_seeds_are_refused(call: Call, prompts: Path, tmp_path: Path) -> None:
    for options, wanted in (
        (("--prompts", tmp_path / "none.txt"), "no prompt file"),
        (("--prompts", prompts, "--seeds", "x"), "seeds 'x'"),
        (("--prompts", prompts, "--device", "tpu"), "wanted gpu or cpu"),
        (("--prompts", prompts, "--device", "cpu", "--rank", "brightness"), "no better end"),
    ):
        called = call("init", "--model", FOLDER, *options)
        assert called.code == 2
        assert wanted in called.err
