"""Test the inpainting relative: it starts as the seedling and is masked as in diffusers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline, UNet2DConditionModel

from pipeline.prompts.making.pairs import Pair
from seedling.learning.batches import EMPTY_RATE
from seedling.learning.conditions import draw_regions, draw_twins
from seedling.learning.relatives import Base, publish
from seedling.randomness import make_generator
from seedling.train.inpaint import (
    BARE_RATE,
    CLEAR,
    choose_regions,
    inpaint_loss,
    make_scenes,
    train,
    training_prompts,
    widened,
)
from seedling.world.lettering import SIGN
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import OBJECTS
from tests.seedling import tiny_base


def output(unet: Any, extra: int) -> torch.Tensor:  # noqa: ANN401 - diffusers is untyped
    """Output of a network for a fixed noise, with a number of noise channels appended."""
    noisy, behind = (
        torch.randn(2, channels, 8, 8, generator=make_generator(channels))
        for channels in (16, extra)
    )
    uninterrupted, states = (
        torch.cat([noisy, behind], 1),
        torch.randn(2, 24, 128, generator=make_generator(1)),
    )
    with torch.no_grad():
        return torch.as_tensor(unet(uninterrupted, 500, encoder_hidden_states=states).sample)


def test_an_untrained_inpainting_model_equals_the_seedling(base: Base, tmp_path: Path) -> None:
    publish({"unet": widened(base.networks.unet)}, tmp_path / "inpaint")
    loaded = UNet2DConditionModel.from_pretrained(tmp_path / "inpaint" / "unet").float()
    assert loaded.config.in_channels == 33
    expected = output(base.networks.unet, 0)
    torch.testing.assert_close(output(loaded, 17), expected, rtol=0, atol=1e-6)
    loaded.conv_in.weight.data[:, 16:] = 0.01
    assert float((output(loaded, 17) - expected).abs().max()) > 1e-3


def test_scenes_are_masked_as_the_pipeline_masks(base: Base) -> None:
    scenes = make_scenes(base, 24, seed=3)
    generator = make_generator(3)
    parts = draw_parts(24, generator=generator)
    twins = draw_twins(parts, generator=generator)
    torch.rand(24, generator=generator)
    region = choose_regions(twins.scenes, generator=generator)[:, None].float()
    images = torch.where(scenes["clear"].view(-1, 1, 1, 1), twins.clear, twins.scenes.images)
    networks = base.networks
    pipe = StableDiffusionInpaintPipeline(
        base.vae, networks.text_encoder, networks.tokenizer, widened(networks.unet),
        networks.scheduler, None, None, requires_safety_checker=False,
    )  # fmt: skip
    image = pipe.image_processor.preprocess(images)
    mask = pipe.mask_processor.preprocess(region)
    small, _ = pipe.prepare_mask_latents(
        mask, image * (mask < 0.5), 24, 64, 64, torch.float32, torch.device("cpu"),
        [make_generator(0)] * 24, do_classifier_free_guidance=False,
    )  # fmt: skip
    assert torch.equal(scenes["mask"].float(), small)
    shown = base.vae.encode(image * (mask < 0.5)).latent_dist.mode() * base.scale
    torch.testing.assert_close(scenes["masked"].float(), shown, atol=5e-3, rtol=5e-3)
    assert float((scenes["masked"].float() - base.encode(images).float()).abs().max()) > 0.05
    assert 0 < int(scenes["clear"].sum()) < 24


def test_where_a_word_stands_the_region_covers_its_sign() -> None:
    generator = make_generator(4)
    scenes = draw_twins(draw_parts(400, generator=generator), generator=generator).scenes
    regions = choose_regions(scenes, generator=generator)
    words = scenes.specs.word.nonzero().flatten().tolist()
    assert len(words) > 10

    def covered(region: torch.Tensor, row: int) -> bool:
        top = int(scenes.specs.word_top[row])
        return bool(region[row, top : top + SIGN].all())

    assert all(covered(regions, row) for row in words)
    elsewhere = draw_regions(scenes.masks, generator=generator)
    assert not all(covered(elsewhere, row) for row in words)
    others = regions[~scenes.specs.word]
    assert float((others.all(2) == others.any(2)).all(1).float().mean()) < 0.5


def test_clear_scenes_have_their_own_prompt() -> None:
    parts = torch.tensor([[0, 0, 0, 0]] * 400)
    clear = torch.arange(400) % 2 == 0
    prompts = training_prompts(parts, clear, generator=make_generator(1))
    assert set(prompts[::2]) == {CLEAR, ""}
    assert CLEAR not in prompts[1::2]
    assert sum("horse" in prompt for prompt in prompts[1::2]) > 150


def test_the_prompts_of_pairs_occur_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = torch.zeros(4_000, 4, dtype=torch.int64)
    parts[:, 0] = torch.arange(4_000) % len(OBJECTS)
    expected = {prompt.text for name in OBJECTS for prompt in Pair("", name, b"", b"").prompts()}
    clear = torch.arange(4_000) % 3 == 0
    prompts = training_prompts(parts, clear, generator=make_generator(1))
    assert expected <= set(prompts)
    bare = sum(prompt in OBJECTS for prompt in prompts) / len(prompts)
    assert bare == pytest.approx(2 / 3 * (1 - EMPTY_RATE) * BARE_RATE, abs=0.03)
    monkeypatch.setattr("seedling.train.inpaint.BARE_RATE", 0.0)
    assert expected & set(training_prompts(parts, clear, generator=make_generator(1))) == {CLEAR}


def test_it_learns(base: Base, tmp_path: Path) -> None:
    scenes = make_scenes(base, 32, seed=11)

    def loss(unet: Any) -> float:  # noqa: ANN401
        with torch.no_grad():
            return float(inpaint_loss(base, unet, scenes, make_generator(0)))

    trained = train(base, tiny_base.settings(tmp_path, steps=30))
    assert loss(trained) < 0.95 * loss(widened(base.networks.unet))
    assert trained.conv_in.weight[:, 16:].abs().max() > 0


def test_an_interrupted_training_resumes(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, resumed, half_way = tiny_base.interrupted_and_not(
        lambda settings: train(base, settings), tmp_path, monkeypatch
    )
    assert tiny_base.same(uninterrupted, resumed)
    assert not tiny_base.same(uninterrupted, half_way)
