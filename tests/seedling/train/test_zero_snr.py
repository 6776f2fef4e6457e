"""Test zero terminal SNR: its exact last step, its loss, and drawing with its schedule."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from diffusers import DDIMScheduler

from pipeline.cards.card import Card, find_card, resolve
from pipeline.errors import ModelError
from pipeline.interventions.zero_snr import ZeroSnr
from pipeline.models.stable_diffusion import StableDiffusion
from seedling.learning.noise_loss import MAX_SNR
from seedling.learning.pool import Pool
from seedling.learning.relatives import Base, publish
from seedling.networks.text_to_image import Networks
from seedling.randomness import make_generator
from seedling.train.zero_snr import new_scheduler, train, velocity_loss, velocity_weights
from tests.pipeline import tiny
from tests.seedling import tiny_base

V = {"prediction_type": "v_prediction"}


def pool(base: Base) -> Pool:
    latents = torch.randn(16, 16, 8, 8, generator=make_generator(1)) / base.scale + 1
    return Pool(latents.half(), torch.zeros(16, 14), torch.zeros(16, 8, 8))


def end(scheduler: DDIMScheduler) -> tuple[float, float]:
    """Errors of the last step: of the noised image from noise, and of v from minus the image."""
    image, noise = torch.randn(2, 64, 16, 8, 8, generator=make_generator(2))
    last = torch.full((64,), 999)
    noisy = scheduler.add_noise(image, noise, last)
    v = scheduler.get_velocity(image, noise, last)
    return float((noisy - noise).abs().max()), float((v + image).abs().max())


def test_the_last_step_is_exactly_noise_and_its_v_minus_the_image(base: Base) -> None:
    assert end(new_scheduler(base.networks.scheduler)) == (0, 0)
    assert min(end(base.networks.scheduler)) > 0.1


def test_the_last_step_counts_and_no_step_more_than_the_noisiest(base: Base) -> None:
    scheduler = new_scheduler(base.networks.scheduler)
    weights, signal = velocity_weights(scheduler), scheduler.alphas_cumprod
    assert float(weights[-1]) == 1
    ratio = signal / (1 - signal)
    assert float((ratio.clamp_max(MAX_SNR) / (ratio + 1))[-1]) == 0, "the limit as for the noise"
    torch.testing.assert_close(weights, (ratio + 1).clamp_max(MAX_SNR) / (ratio + 1))


def loss_of_a_prediction(base: Base, what: str) -> float:
    """Loss of a network that knows the image and predicts v or the noise."""
    scheduler = new_scheduler(base.networks.scheduler)
    latents = torch.randn(64, 16, 8, 8, generator=make_generator(3))
    noise = torch.randn(latents.shape, generator=make_generator(4))

    def network(_: object, steps: torch.Tensor, **__: object) -> Any:  # noqa: ANN401
        v = scheduler.get_velocity(latents, noise, steps)
        return SimpleNamespace(sample={"v": v, "noise": noise}[what])

    stand_in: Any = network
    networks_ = base.networks
    knowing = Networks(stand_in, networks_.text_encoder, networks_.tokenizer, scheduler)
    cover, prompts = torch.zeros(64, 8, 8), ["a"] * 64
    return float(velocity_loss(knowing, latents, cover, prompts, generator=make_generator(4)))


def test_the_target_is_v(base: Base) -> None:
    assert loss_of_a_prediction(base, "v") < 1e-6
    assert loss_of_a_prediction(base, "noise") > 0.5


def trained(base: Base, settings: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    budget, batch = settings.budget, settings.batch
    return train(base, pool(base), budget=budget, batch=batch, folder=settings.folder)


def test_it_learns_and_leaves_the_seedling(base: Base, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in base.networks.unet.state_dict().items()}
    latents, prompts = pool(base).latents.float() * base.scale, ["a horse"] * 16

    def loss(unet: Any) -> float:  # noqa: ANN401
        networks_, scheduler = base.networks, new_scheduler(base.networks.scheduler)
        networks = Networks(unet, networks_.text_encoder, networks_.tokenizer, scheduler)
        cover = torch.zeros(16, 8, 8)
        with torch.no_grad():
            return float(
                velocity_loss(networks, latents, cover, prompts, generator=make_generator(0))
            )

    unet = trained(base, tiny_base.settings(tmp_path, steps=30))
    assert loss(unet) < 0.9 * loss(base.networks.unet)
    assert tiny_base.same(before, base.networks.unet.state_dict())


def test_an_interrupted_training_resumes(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, resumed, half_way = tiny_base.interrupted_and_not(
        lambda settings: trained(base, settings), tmp_path, monkeypatch
    )
    assert tiny_base.same(uninterrupted, resumed)
    assert not tiny_base.same(uninterrupted, half_way)


def card_of(base_folder: Path, folder: Path, **changes: Any) -> Card:  # noqa: ANN401 - any field
    part = {
        "use": "component",
        "component": "unet",
        "kind": "diffusers:UNet2DConditionModel",
        "path": str(folder / "zero"),
        "subfolder": "unet",
    }
    fields = find_card("seedling").model_dump(mode="json", exclude={"name"})
    fields |= {"path": str(base_folder), "parts": {"unet": part}} | changes
    (folder / "card.yaml").write_text(yaml.safe_dump(fields))
    return find_card(str(folder / "card.yaml"))


def test_a_card_draws_with_the_schedule_it_was_trained_on(
    base: Base, base_folder: Path, tmp_path: Path
) -> None:
    schedule = new_scheduler(base.networks.scheduler)
    publish({"unet": base.networks.unet, "scheduler": schedule}, tmp_path / "zero")
    card = card_of(base_folder, tmp_path, scheduler_config=V)
    model = StableDiffusion(card, resolve(card), tiny.config(card), ZeroSnr({}))
    assert model.generate(tiny.batch()).finite.all()
    published = DDIMScheduler.from_pretrained(tmp_path / "zero" / "scheduler")
    for scheduler in (published, model.pipe.scheduler):
        scheduler.set_timesteps(5)
        assert torch.equal(scheduler.alphas_cumprod, schedule.alphas_cumprod)
        assert scheduler.timesteps.tolist() == [999, 799, 599, 399, 199]
        assert scheduler.config.prediction_type == "v_prediction"
    silent = card_of(base_folder, tmp_path)
    with pytest.raises(ModelError, match="predicts epsilon"):
        StableDiffusion(silent, resolve(silent), tiny.config(silent), ZeroSnr({}))
