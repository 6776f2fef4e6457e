"""What `goldenseed init` cannot know or use is refused or asked for in words."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from tests.goldenseed.conftest import Call
from tests.goldenseed.init.conftest import FOLDER, write


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


def test_a_network_with_pickled_weights_alone_is_refused_with_its_command(
    call: Call, prompts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "old")
    recipe = write(call, prompts, model=folder)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"a": torch.ones(1)}, folder / "vae" / "diffusion_pytorch_model.bin")
    called = call("init", "--model", folder, "--prompts", prompts, "--device", "cpu")
    assert called.code == 2
    assert "weights_only=True" in called.err
    planned = call("plan", recipe)
    assert "this plan cannot be drawn here" in planned.err
    assert "diffusion_pytorch_model.bin is a pickle" in planned.err
    write(call, prompts, "--vae", tiny_folder, model=folder)  # another autoencoder replaces it


def test_a_path_that_is_no_text_is_refused(call: Call, prompts: Path) -> None:
    called = call("init", "--model", "m\udcf6del", "--prompts", prompts, "--device", "cpu")
    assert called.code == 2
    assert "not text in this terminal's encoding" in called.err


def test_a_size_that_no_image_can_have_is_refused(call: Call, prompts: Path) -> None:
    called = call("init", "--model", FOLDER, "--prompts", prompts, "--device", "cpu",
                  "--height", 640_000)  # fmt: skip
    assert called.code == 2
    assert "height 640,000 is more than 16,383 pixels" in called.err


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
