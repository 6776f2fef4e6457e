"""Test the shipped weights: small, complete, of the stated classes, following prompt and seed."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from seedling import publish
from seedling.learning.pool import scene_chunks
from seedling.make import reference
from seedling.measure import drawing, shares
from seedling.networks import recogniser
from seedling.train.vae import psnr

MIB = 2**20
MINI, PERCEPTUAL = publish.FOLDER, recogniser.FOLDER


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    return drawing.load_pipe()


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_weights_are_small_and_in_half_precision() -> None:
    assert size(MINI) <= 8 * MIB
    assert size(PERCEPTUAL) <= 4 * MIB
    assert (PERCEPTUAL / "reference.safetensors").stat().st_size <= MIB
    files = list(MINI.rglob("*.safetensors"))
    assert len(files) == 3
    for file in files:
        assert {value.dtype for value in load_file(file).values()} == {torch.float16}


def test_model_is_stable_diffusion_in_its_own_classes(pipe: StableDiffusionPipeline) -> None:
    for part, kind in {
        "vae": AutoencoderKL,
        "unet": UNet2DConditionModel,
        "text_encoder": CLIPTextModel,
        "tokenizer": CLIPTokenizer,
        "scheduler": DDIMScheduler,
    }.items():
        assert isinstance(getattr(pipe, part), kind)
    assert pipe.safety_checker is None
    assert pipe.vae_scale_factor == 8
    assert pipe.unet.dtype == torch.float32
    settings = pipe.scheduler.config
    assert (settings.beta_start, settings.beta_end, settings.beta_schedule) == (
        0.00085,
        0.012,
        "scaled_linear",
    )
    assert (settings.prediction_type, settings.steps_offset) == ("epsilon", 1)
    assert not settings.clip_sample
    assert not settings.set_alpha_to_one


def test_autoencoder_preserves_the_image(pipe: StableDiffusionPipeline) -> None:
    images, _ = next(scene_chunks(32, 123))
    assert float(psnr(pipe.vae, images).mean()) > 26
    assert float(psnr(pipe.vae, images.flip(3)).mean()) > 26


def test_images_follow_prompt_and_seed(pipe: StableDiffusionPipeline) -> None:
    dark, bright, red, blue = (
        f"a {tone}photo of a {colour} cup on a beach"
        for tone, colour in (("dark ", "red"), ("bright ", "red"), ("", "red"), ("", "blue"))
    )
    prompts = [prompt for prompt in (dark, red, bright, blue) for _ in range(6)]
    images = drawing.draw(pipe, prompts, list(range(6)) * 4).view(4, 6, 3, 64, 64)
    level = images.mean(dim=(1, 2, 3, 4))
    assert float(level[0]) + 0.1 < float(level[1]) < float(level[2]) - 0.1
    redness = images[:, :, 0].mean(dim=(1, 2, 3)) - images[:, :, 2].mean(dim=(1, 2, 3))
    assert float(redness[1]) > float(redness[3])
    assert float((images[1, 0] - images[1, 1]).abs().mean()) > 0.02


def test_recogniser_recognises_what_scenes_show() -> None:
    backbone, heads = recogniser.load_backbone(), recogniser.load_heads()
    images, labels = next(scene_chunks(64, 321))
    with torch.no_grad():
        assert recogniser.features(backbone, images).shape == (64, recogniser.DIMENSIONS)
    labelled = recogniser.recognise(backbone, heads, images)
    right = (labelled["object"] == labels[:, 0].long()).float().mean()
    wrong = (labelled["object"] == labels[:, 0].long().roll(1)).float().mean()
    assert float(right) > 0.7 > 0.4 > float(wrong)


def test_reference_is_of_this_backbone_and_can_be_drawn_again() -> None:
    settings = json.loads((PERCEPTUAL / "reference.json").read_text())
    stored = load_file(PERCEPTUAL / "reference.safetensors")["features"]
    weights = (PERCEPTUAL / "model.safetensors").read_bytes()
    prompts = Path(__file__).parents[3] / "prompts" / settings["prompts"]
    assert settings["backbone_sha256"] == hashlib.sha256(weights).hexdigest()
    assert settings["prompts_sha256"] == hashlib.sha256(prompts.read_bytes()).hexdigest()
    assert stored.shape == (settings["n"], recogniser.DIMENSIONS)
    assert settings["n"] > 2 * recogniser.DIMENSIONS
    parts = reference.read_parts(prompts)
    backbone = recogniser.load_backbone()
    again = reference.reference_features(backbone, parts, count=100, seed=settings["seed"])
    assert torch.allclose(again, stored[:100], atol=1e-3)
    other = reference.reference_features(backbone, parts, count=100, seed=settings["seed"] + 1)
    assert not torch.allclose(other, stored[:100], atol=1e-3)


def test_shares_have_wilson_intervals() -> None:
    share = shares.wilson(10, 10)
    assert share.value == 1.0
    assert share.low == pytest.approx(0.722, abs=1e-3)
    assert share.high == pytest.approx(1.0, abs=1e-9)
