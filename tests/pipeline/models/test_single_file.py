"""A checkpoint of one file draws the images of the folder that it was made from."""

import types
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_model import (
    SINGLE_FILE_LOADABLE_CLASSES,
    convert_flux_transformer_checkpoint_to_diffusers,
)
from safetensors.torch import load_file, save_file

from pipeline.cards.card import Card, load_cards, resolve
from pipeline.cards.card_parts import Part
from pipeline.cards.json_files import components, read_object
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.stable_diffusion import StableDiffusion
from tests.pipeline import native_calls, tiny, tiny_files, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def folder_card(folder: Path, name: str) -> Card:
    card = load_cards()[name]
    if card.family == "stable_diffusion":
        return tiny.checkpoint(folder, card)
    return tiny_pipelines.checkpoint(folder, card)


def file_card(card: Card, file: Path, *, rest: bool = False) -> Card:
    """The card of the file, with the folder's configs; `rest` takes the other networks from it."""
    index = read_object(Path(card.path) / "model_index.json")
    own = ("transformer", "scheduler")
    others = [name for name in components(Path(card.path)) if name not in own]
    parts = {
        name: Part(
            use="component", component=name, kind=":".join(index[name]), path=card.path,
            subfolder=name,
        )
        for name in (others if rest else ())
    }  # fmt: skip
    return card.model_copy(update={"path": str(file), "config": card.path, "parts": parts})


def images(card: Card) -> np.ndarray:
    family = StableDiffusion if card.family == "stable_diffusion" else DiffusersPipeline
    model = family(card, resolve(card), tiny.config(card), Intervention({}))
    return model.generate(native_calls.cells(card)).images


@pytest.fixture
def narrow_flux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library convert tiny networks of FLUX.1, whose width of 3072 it has as a constant."""
    convert = convert_flux_transformer_checkpoint_to_diffusers
    constants = tuple(32 if value == 3072 else value for value in convert.__code__.co_consts)
    narrow = types.FunctionType(convert.__code__.replace(co_consts=constants), convert.__globals__)
    known = SINGLE_FILE_LOADABLE_CLASSES["FluxTransformer2DModel"]
    monkeypatch.setitem(known, "checkpoint_mapping_fn", narrow)


@pytest.mark.usefixtures("narrow_flux")
@pytest.mark.parametrize(
    "name", ["sd15", "sdxl-base", "flux-schnell", "flux-dev", "sd35-large", "z-image-turbo"]
)
def test_a_file_draws_the_images_of_its_folder(name: str, tmp_path: Path) -> None:
    rest = name not in ("sd15", "sdxl-base")  # such files hold no text encoders
    card = folder_card(tmp_path / "folder", name)
    file = tiny_files.save(Path(card.path), tmp_path / "model.safetensors")
    single = file_card(card, file, rest=rest)
    drawn = images(single)
    assert (drawn == images(card)).all()
    assert len({image.tobytes() for image in drawn}) > 1
    changed = load_file(file)
    ends = ("out.2.bias", "final_layer.linear.bias", "final_layer.2-1.linear.bias")
    key = next(key for key in changed if key.endswith(ends))
    save_file(changed | {key: changed[key] + 1}, file)
    assert (images(single) != drawn).any(), "the weights of the file are those that draw"


def test_sd2_has_the_text_encoder_of_open_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tiny_files.WRITERS, "StableDiffusionPipeline", tiny_files.sd2)
    card = folder_card(tmp_path / "folder", "sd2")
    file = tiny_files.save(Path(card.path), tmp_path / "model.safetensors")
    assert (images(file_card(card, file)) == images(card)).all()


def test_a_file_that_is_not_whole_is_refused_before_an_image(tmp_path: Path) -> None:
    card = folder_card(tmp_path / "folder", "sd15")
    file = tiny_files.save(Path(card.path), tmp_path / "model.safetensors")
    single, tensors = file_card(card, file), load_file(file)
    without = {k: v for k, v in tensors.items() if "cond_stage" not in k}
    save_file(without, file)
    with pytest.raises(ModelError, match="holds no text_encoder"):
        images(single)
    save_file({k: v for k, v in tensors.items() if "middle_block.0.in" not in k}, file)
    with pytest.raises(ModelError, match=r"lacks \d tensors of unet|does not load"):
        images(single)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="no whole safetensors file"):
        images(single)


def test_the_content_of_the_file_is_the_identity(tmp_path: Path) -> None:
    card = folder_card(tmp_path / "folder", "sd15")
    file = tiny_files.save(Path(card.path), tmp_path / "model.safetensors")
    single = file_card(card, file)
    first = resolve(single).sha256
    moved = single.model_copy(update={"path": str(file.rename(tmp_path / "moved.safetensors"))})
    assert resolve(moved).sha256 == first
    tensors = load_file(moved.path)
    key = min(tensors)
    save_file(tensors | {key: tensors[key] + torch.ones(1)}, moved.path)
    assert resolve(moved).sha256 != first
    assert resolve(card).sha256 != first


def test_an_autoencoder_of_one_file_replaces_the_models_own(tmp_path: Path) -> None:
    """As a file and as a folder it draws the same, and not what the model's own draws."""
    card, other = folder_card(tmp_path / "a", "sd15"), folder_card(tmp_path / "b", "sd15")
    weights = Path(other.path) / "vae" / "diffusion_pytorch_model.safetensors"
    changed = {name: tensor * 1.1 for name, tensor in load_file(weights).items()}
    save_file(changed, weights, {"format": "pt"})
    bare = {k.removeprefix("first_stage_model."): v for k, v in tiny_files.vae(changed).items()}
    save_file(bare, tmp_path / "vae.safetensors")
    about = {"use": "component", "component": "vae", "kind": "diffusers:AutoencoderKL"}
    file = Part(path=str(tmp_path / "vae.safetensors"), config=card.path, **about)
    folder = Part(path=other.path, subfolder="vae", **about)
    drawn = [images(card.model_copy(update={"parts": {"vae": part}})) for part in (file, folder)]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != images(card)).any()
    with_file = card.model_copy(update={"parts": {"vae": file}})
    assert resolve(with_file).sha256 != resolve(card).sha256
