"""The configs that ship describe real checkpoints; files are recognised by their tensors."""

import functools
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
from safetensors.torch import save_file

from pipeline.cards.facts.checkpoint_file import file_facts
from pipeline.cards.facts.configs import config_facts
from pipeline.cards.facts.fact import Facts
from pipeline.cards.facts.kinds import kind_of
from pipeline.cards.facts.tensors import Tensor, read_tensor_list
from pipeline.cards.single_files import config_folder, shipped_configs
from pipeline.errors import ModelError
from tests.pipeline import tiny_files

COUNTS = {
    "sd15": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sd2": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "sd2-base": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "sdxl": {
        "unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480,
        "text_encoder_2": 694_659_840,
    },
    "sdxl-v": {"unet": 2_567_463_684},
    "sd3-medium": {"transformer": 2_028_328_000, "vae": 83_819_683},
    "sd35-medium": {"transformer": 2_243_171_520},
    "sd35-large": {"transformer": 8_056_627_520, "text_encoder_3": 4_762_310_656},
    "flux-dev": {"transformer": 11_901_408_320, "vae": 83_819_683},
    "flux-schnell": {"transformer": 11_891_178_560},
    "z-image": {"transformer": 6_154_908_736},
    "z-image-turbo": {"transformer": 6_154_908_736},
}  # fmt: skip
"""Parameters of the published networks."""


@functools.cache
def network(config: str, name: str) -> Any:  # noqa: ANN401
    """A network of a configuration, without memory."""
    folder = config_folder(config)
    library_name, kind = json.loads((folder / "model_index.json").read_text())[name]
    fields = json.loads((folder / name / "config.json").read_text())
    with torch.device("meta"):
        if library_name == "diffusers":
            return getattr(diffusers, kind).from_config(fields)
        cls = getattr(transformers, kind)
        return cls(cls.config_class(**fields))


def test_every_configuration_that_ships_is_tested() -> None:
    assert set(COUNTS) == set(shipped_configs())


@pytest.mark.parametrize("config", COUNTS)
def test_the_networks_have_the_published_numbers_of_parameters(config: str) -> None:
    counts = {
        name: sum(tensor.numel() for tensor in network(config, name).parameters())
        for name in COUNTS[config]
    }
    assert counts == COUNTS[config]


def unet(config: str) -> tiny_files.State:
    return tiny_files.unet(network(config, "unet").state_dict(), layers=2)


NAMED: dict[str, Callable[[], tiny_files.State]] = {
    "sd15": functools.partial(unet, "sd15"),
    "sd2": functools.partial(unet, "sd2"),
    "sdxl": functools.partial(unet, "sdxl"),
    "z-image": lambda: tiny_files.z_image(network("z-image", "transformer").state_dict()),
    "flux-dev": lambda: tiny_files.flux(network("flux-dev", "transformer").state_dict()),
    "flux-schnell": lambda: tiny_files.flux(network("flux-schnell", "transformer").state_dict()),
    "sd3-medium": lambda: tiny_files.sd3(network("sd3-medium", "transformer").state_dict()),
    "sd35-medium": lambda: tiny_files.sd3(network("sd35-medium", "transformer").state_dict()),
    "sd35-large": lambda: tiny_files.sd3(network("sd35-large", "transformer").state_dict()),
}
"""Configuration -> its main network with the names of its authors, without memory."""


UNETS = ("sd15", "sd2", "sdxl")


def tensors(state: tiny_files.State) -> dict[str, Tensor]:
    return {name: Tensor("F16", tuple(tensor.shape)) for name, tensor in state.items()}


@pytest.mark.parametrize("config", NAMED)
def test_a_real_layout_is_recognised(config: str) -> None:
    state = NAMED[config]()
    assert kind_of(tensors(state), "x").config == config
    if config == "sdxl":
        flagged = tensors(state) | {"v_pred": Tensor("F32", (0,))}
        assert kind_of(flagged, "x").config == "sdxl-v"
    name = "unet" if config in UNETS else "transformer"
    fields = json.loads((config_folder(config) / name / "config.json").read_text())
    convert = SINGLE_FILE_LOADABLE_CLASSES[fields["_class_name"]]["checkpoint_mapping_fn"]
    back = convert(dict(state), config=fields)
    wanted = network(config, name).state_dict()
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in wanted.items()}


FLUX = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,), "img_in.weight": (3072, 64),
        "double_blocks.18.img_attn.norm.key_norm.scale": (128,)}  # fmt: skip
SD3 = "joint_blocks.0.context_block.adaLN_modulation.1.bias"


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (FLUX, "flux-schnell"),
        (FLUX | {"guidance_in.in_layer.weight": (3072, 256)}, "flux-dev"),
        ({SD3: (9216,), "pos_embed": (1, 36864, 1536)}, "sd3-medium"),
        ({SD3: (9216,), "pos_embed": (1, 147456, 1536)}, "sd35-medium"),
        ({SD3: (14592,), "pos_embed": (1, 36864, 2432),
          "joint_blocks.37.x_block.mlp.fc1.weight": (9728, 2432)}, "sd35-large"),
    ],
)  # fmt: skip
def test_transformers_are_told_apart(names: dict[str, tuple[int, ...]], wanted: str) -> None:
    for prefix in ("", "model.diffusion_model."):
        listed = {prefix + name: Tensor("BF16", shape) for name, shape in names.items()}
        assert kind_of(listed, "x").config == wanted


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ({"lora_unet_mid.lora_down.weight": (4, 8)}, "this is a LoRA; give it as --lora"),
        ({"decoder.conv_in.weight": (8, 4, 3, 3)}, "an autoencoder alone; give it as --vae"),
        ({"input_blocks.0.0.weight": (320, 9, 3, 3)}, "a model for inpainting"),
        ({"input_blocks.0.0.weight": (384, 4, 3, 3),
          "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (768, 1280)}, "the refiner"),
        ({"control_model.time_embed.0.weight": (4, 4)}, "this is a ControlNet"),
        ({"down_blocks.0.resnets.0.conv1.weight": (4, 4)}, "give the whole folder"),
        ({"single_stream_modulation.lin.weight": (4, 4)}, "this is FLUX.2; give a folder"),
        ({"wte.weight": (10, 4)}, "no known family has tensors of these names"),
        ({}, "no known family"),
        (FLUX | {"img_in.weight": (3072, 384)}, "384 input channels"),
    ],
)  # fmt: skip
def test_what_is_no_model_is_named(names: dict[str, tuple[int, ...]], wanted: str) -> None:
    listed = {name: Tensor("F32", shape) for name, shape in names.items()}
    with pytest.raises(ModelError, match=wanted):
        kind_of(listed, "x.safetensors")


def sd_file(path: Path, config: str, metadata: dict[str, str] | None = None) -> Path:
    """A file with a few tensors of a family, of the right shapes."""
    width = {"sd15": 768, "sd2": 1024}[config]
    names = {
        "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (1, width),
        "first_stage_model.x": (1,),
        "cond_stage_model.x": (1,),
    }
    save_file({n: torch.zeros(s, dtype=torch.float16) for n, s in names.items()}, path, metadata)
    return path


def test_what_a_file_says_and_what_is_asked_for(tmp_path: Path) -> None:
    first = file_facts(sd_file(tmp_path / "a.safetensors", "sd15"))
    assert first.unknown == {}
    assert (first.value("height"), first.value("stored_dtype")) == (512, "float16")
    assert first.value("prediction_type") == "epsilon"
    second = sd_file(tmp_path / "b.safetensors", "sd2")
    assert "prediction" in file_facts(second).unknown
    by_option = file_facts(second, "v_prediction")
    assert (by_option.value("config"), by_option.value("height")) == ("sd2", 768)
    assert (file_facts(second, "epsilon").value("config")) == "sd2-base"
    said = sd_file(tmp_path / "c.safetensors", "sd2", {"modelspec.prediction_type": "v"})
    assert file_facts(said).value("config") == "sd2"
    few = file_facts(sd_file(tmp_path / "my_lightning.safetensors", "sd15"))
    assert set(few.unknown) == {"num_inference_steps", "guidance_scale"}
    changed = file_facts(sd_file(tmp_path / "d.safetensors", "sd15"), "v_prediction")
    assert changed.value("scheduler_config") == {"prediction_type": "v_prediction"}


def z_image_file(path: Path) -> Path:
    names = {"layers.0.adaLN_modulation.0.weight": (1,), "cap_embedder.0.weight": (2560,)}
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, path)
    return path


def test_files_of_z_image_are_told_apart_by_the_user(tmp_path: Path) -> None:
    file = z_image_file(tmp_path / "z.safetensors")
    assert "give z-image or z-image-turbo" in file_facts(file).unknown["config"]
    facts = {name: file_facts(file, config=name) for name in ("z-image", "z-image-turbo")}
    assert all(set(found.unknown) == {"parts"} for found in facts.values())
    steps = {name: found.value("num_inference_steps") for name, found in facts.items()}
    assert steps == {"z-image": 50, "z-image-turbo": 9}
    assert facts["z-image-turbo"].value("guidance_scale") == 0
    with pytest.raises(ModelError, match="which is z-image or z-image-turbo"):
        file_facts(file, config="sdxl")


def test_a_folder_of_z_image_is_known_by_its_shift(tmp_path: Path) -> None:
    folder = shutil.copytree(config_folder("z-image-turbo"), tmp_path / "z")
    scheduler = folder / "scheduler" / "scheduler_config.json"
    fields = json.loads(scheduler.read_text())
    for shift, wanted in ((3.0, {9}), (6.0, {50}), (1.0, set())):
        scheduler.write_text(json.dumps(fields | {"shift": shift}))
        facts = Facts()
        config_facts(folder, facts)
        known = {facts.known[n].value for n in ("num_inference_steps",) if n in facts.known}
        assert known == wanted
    assert "shifts by 1.0, that of Z-Image by 6.0" in facts.unknown["num_inference_steps"]


def test_what_the_file_lacks_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "flux.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in FLUX.items()}, path)
    facts = file_facts(path)
    lacking = "text_encoder, text_encoder_2, vae, tokenizer_2"
    assert f"the file holds no {lacking}" in facts.unknown["parts"]
    assert facts.value("num_inference_steps") == 4


def test_a_pickle_is_never_opened_and_its_command_converts_it(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return eval, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    pickle = tmp_path / "evil.ckpt"
    torch.save({"state_dict": {"a": torch.ones(2)}, "more": Evil()}, pickle)
    harmless = tmp_path / "fine.ckpt"
    torch.save({"state_dict": {"a": torch.ones(2), "step": 7}}, harmless)
    disguised = pickle.rename(tmp_path / "evil.safetensors")
    for path in (disguised, harmless):
        with pytest.raises(ModelError, match="runs no code") as caught:
            read_tensor_list(path)
        command = shlex.split(str(caught.value).splitlines()[-1])
        done = subprocess.run([sys.executable, *command[1:]], capture_output=True, check=False)
        assert (done.returncode == 0) == (path == harmless)
    assert not (tmp_path / "ran").exists()
    assert list(read_tensor_list(tmp_path / "fine.safetensors")) == ["a"]
