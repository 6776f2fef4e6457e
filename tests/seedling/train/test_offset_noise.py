"""Test offset noise: its covariance, the noise in the target, and the saved difference."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from seedling.learning.loop import Budget
from seedling.learning.noise_loss import draw_offset_noise, noise_loss
from seedling.learning.offset_tuning import equal_strength, out_files, train
from seedling.learning.pool import Pool
from seedling.networks.model import Variant
from seedling.networks.text_to_image import Networks, new_networks
from seedling.randomness import make_generator
from seedling.train.offset_noise import main, world_batches

STRENGTH = 0.8
TINY = Variant((8, 16), seed=0)


def covariance(strength: float, *, shared: bool = True) -> dict[str, float]:
    """Covariance of positions and channels of the noise; n = 20,000."""
    noise = draw_offset_noise((20_000, 2, 2, 2), strength=strength, generator=make_generator(0))
    if not shared:  # the usual mistake: one number per pixel
        noise = torch.randn(noise.shape, generator=make_generator(0))
        noise += strength * torch.randn(noise.shape, generator=make_generator(1))
    first = noise[:, 0].flatten(1)
    return {
        "itself": float(first[:, 0].square().mean()),
        "same channel": float((first[:, 0] * first[:, 3]).mean()),
        "other channel": float((first[:, 0] * noise[:, 1, 0, 0]).mean()),
        "channel mean": float(first.mean(1).var()),
    }


def expected(strength: float) -> dict[str, float]:
    square = strength**2
    return {
        "itself": 1 + square,
        "same channel": square,
        "other channel": 0.0,
        "channel mean": 1 / 4 + square,
    }


@pytest.mark.parametrize("strength", [0.0, 0.1, STRENGTH])
def test_covariance(strength: float) -> None:
    # Four standard errors of a mean of 20,000 products of variance at most 2 (1 + s^2)^2.
    tolerance = 4 * (2 * (1 + strength**2) ** 2 / 20_000) ** 0.5
    assert covariance(strength) == pytest.approx(expected(strength), abs=tolerance)


def test_one_number_per_pixel_would_be_noticed() -> None:
    assert covariance(STRENGTH, shared=False) != pytest.approx(expected(STRENGTH), abs=0.1)


def test_equal_strength_lifts_the_channel_mean_equally() -> None:
    def lift(strength: float, side: int) -> float:
        return float((1 + strength**2 * side**2) ** 0.5)

    assert lift(0.1, 64) == pytest.approx(6.48, abs=0.01)
    assert lift(equal_strength(8, 8), 8) == pytest.approx(lift(0.1, 64))
    assert lift(0.1, 8) == pytest.approx(1.28, abs=0.01)


def loss_of_a_perfect_network(latents: torch.Tensor, *, knows_offset: bool) -> float:
    """Loss of a network that predicts the added noise exactly, or without its offset."""
    networks = new_networks(TINY)

    def perfect(noisy: torch.Tensor, steps: torch.Tensor, **_: object) -> Any:  # noqa: ANN401
        kept = networks.scheduler.alphas_cumprod[steps].reshape(-1, 1, 1, 1)
        noise = (noisy - kept.sqrt() * latents) / (1 - kept).sqrt()
        if not knows_offset:
            noise = draw_offset_noise(latents.shape, strength=0, generator=make_generator(4))
        return SimpleNamespace(sample=noise)

    stand_in: Any = perfect
    knowing = Networks(stand_in, networks.text_encoder, networks.tokenizer, networks.scheduler)
    generator, cover = make_generator(4), torch.zeros(64, 8, 8)
    prompts = ["a"] * 64
    return float(noise_loss(knowing, latents, cover, prompts, generator=generator, offset=STRENGTH))


def test_the_same_noise_is_the_target() -> None:
    latents = torch.randn(64, 16, 8, 8, generator=make_generator(2))
    assert loss_of_a_perfect_network(latents, knows_offset=True) < 1e-5
    # Without the offset in the target its variance would be left: strength squared.
    left = loss_of_a_perfect_network(latents, knows_offset=False)
    assert left == pytest.approx(STRENGTH**2, rel=0.2)


def test_without_offset_the_stream_is_as_before() -> None:
    plain = torch.randn((2, 3, 4, 4), generator=make_generator(7))
    assert torch.equal(
        draw_offset_noise((2, 3, 4, 4), strength=0, generator=make_generator(7)), plain
    )


def test_one_strength_has_the_file_and_several_have_one_each() -> None:
    out = Path("folder/offset.noise.safetensors")
    assert list(out_files(out, [0.8])) == [(0.8, out)]
    names = {path.name for _, path in out_files(out, [0.0, 0.25, 2.4])}
    assert names == {f"offset.noise-{strength}.safetensors" for strength in ("0", "0.25", "2.4")}


def test_the_difference_is_what_training_changed(tmp_path: Path) -> None:
    networks = new_networks(TINY)
    before = {name: value.clone() for name, value in networks.unet.state_dict().items()}
    text = {name: value.clone() for name, value in networks.text_encoder.state_dict().items()}
    latents = torch.randn(16, 16, 8, 8, generator=make_generator(1))
    pool = Pool(latents, torch.zeros(16, 14), torch.zeros(16, 8, 8))
    changes = train(
        networks,
        world_batches(pool, 1.0, batch=4),
        strength=STRENGTH,
        budget=Budget(minutes=60, rate=1e-3, steps=3),
        name="offset",
        folder=tmp_path,
    )
    assert changes.keys() == before.keys()
    assert all(change.dtype == torch.float16 for change in changes.values())
    assert any(change.abs().max() > 0 for change in changes.values())
    for name, value in networks.unet.state_dict().items():
        assert torch.allclose(before[name] + changes[name].float(), value, atol=1e-4)
    assert all(torch.equal(text[n], v) for n, v in networks.text_encoder.state_dict().items())


def test_a_sweep_needs_an_output_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train", "--strengths", "0", "0.8"])
    with pytest.raises(SystemExit):
        main()
    assert "name another with --out" in capsys.readouterr().err
