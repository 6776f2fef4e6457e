"""Test training at tiny sizes: resuming after a kill, schedule, averages, published models."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from seedling.learning import batches, noise_loss, trained
from seedling.learning.batches import draw_rows
from seedling.learning.loop import Budget, Loop
from seedling.learning.pool import Pool, decode, make_pool, scene_chunks
from seedling.learning.text_encoder import CHOICES, teach
from seedling.networks.model import Variant, new_scheduler, new_text_encoder, new_vae
from seedling.networks.text_to_image import Networks
from seedling.networks.tokenizer import new_tokenizer
from seedling.publish import publish
from seedling.randomness import make_generator
from seedling.train import text_to_image as train_text_to_image
from seedling.train import vae as train_vae
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import OBJECTS

TINY = (4, 4, 4, 4)
TINY_RUN = """
import sys
from pathlib import Path
from seedling.train.vae import train
from seedling.learning.loop import Budget
train(budget=Budget(minutes=60, rate=1e-3, steps=100_000, save_seconds=0), batch=2,
      folder=Path(sys.argv[1]), channels=(4, 4, 4, 4))
"""


def steps_in(folder: Path) -> int:
    return int(torch.load(folder / "vae.pt", weights_only=True)["steps"])


def test_training_resumes_after_a_kill(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", TINY_RUN, str(tmp_path)], cwd=Path.cwd())
    while not (tmp_path / "vae.pt").exists() or steps_in(tmp_path) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    reached = steps_in(tmp_path)
    before = torch.load(tmp_path / "vae.pt", weights_only=True)["modules"]["vae"]
    budget = Budget(minutes=60, rate=1e-3, steps=reached + 3)
    train_vae.train(budget=budget, batch=2, folder=tmp_path, channels=TINY)
    after = torch.load(tmp_path / "vae.pt", weights_only=True)["modules"]["vae"]
    assert steps_in(tmp_path) == reached + 3
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_finished_training_is_not_trained_further(tmp_path: Path) -> None:
    budget = Budget(minutes=60, rate=1e-3, steps=2)
    first = train_vae.train(budget=budget, batch=2, folder=tmp_path, channels=TINY)
    resumed = train_vae.train(budget=budget, batch=2, folder=tmp_path, channels=TINY)
    assert steps_in(tmp_path) == 2
    for name, value in first.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])


def test_a_resumed_training_restores_optimiser_and_stream(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 1)
    budget = Budget(minutes=60, rate=0.1, warmup=0.0, steps=10)
    loop = Loop("tiny", {"layer": layer}, budget, make_generator(1), folder=tmp_path)
    loop.step(layer(torch.ones(1, 2)).square().sum())
    torch.rand(5, generator=loop.generator)
    loop.save()
    expected = torch.rand(3, generator=loop.generator)
    other = torch.nn.Linear(2, 1)
    resumed = Loop("tiny", {"layer": other}, budget, make_generator(2), folder=tmp_path)
    assert torch.equal(other.weight, layer.weight)
    assert resumed.optimiser.state_dict()["state"][0]["step"] == 1
    assert torch.equal(torch.rand(3, generator=resumed.generator), expected)


def test_the_rate_rises_then_falls_to_zero() -> None:
    budget = Budget(minutes=1, rate=1.0, warmup=0.1)
    rates = [budget.rate_at(share / 100) for share in range(101)]
    assert max(rates) == rates[10] == 1.0
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[0] == 0.0
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert budget.share(step=5, elapsed=30.0) == 0.5


def test_averages_lag_behind_the_weights(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 1)
    budget = Budget(minutes=60, rate=0.1, warmup=0.0, steps=40)
    loop = Loop("tiny", {"layer": layer}, budget, make_generator(1), tmp_path, ("layer",))
    start = layer.weight.detach().clone()
    for _ in range(20):
        loop.step(layer(torch.ones(1, 2)).sum())
    moved = (layer.weight.detach() - start).abs().sum()
    lagging = (loop.averages["layer"]["weight"] - start).abs().sum()
    assert 0 < float(lagging) < float(moved)
    loop.use_averages()
    assert torch.equal(layer.weight, loop.averages["layer"]["weight"])


def test_training_prompts_leave_out_parts_at_the_stated_rates() -> None:
    generator = make_generator(1)
    parts = draw_parts(4_000, generator=generator, named=1.0)
    prompts = batches.draw_prompts(parts, generator=generator)
    empty = sum(not prompt for prompt in prompts) / len(prompts)
    assert abs(empty - batches.EMPTY_RATE) < 0.02
    red = [prompt for prompt, row in zip(prompts, parts.tolist(), strict=True) if row[1] == 0]
    named = sum("red" in prompt for prompt in red) / sum(bool(prompt) for prompt in red)
    assert abs(named - batches.NAMED_RATE) < 0.08


def test_times_of_a_batch_are_spread_and_every_time_occurs() -> None:
    generator = make_generator(1)
    drawn = torch.stack([noise_loss.spread_steps(10, generator=generator) for _ in range(2_000)])
    assert drawn.unique().tolist() == list(range(1000))
    assert torch.equal((drawn // 100).sort(dim=1).values, torch.arange(10).expand_as(drawn))


def test_steps_with_little_noise_weigh_less() -> None:
    scheduler = new_scheduler()
    weights = noise_loss.step_weights(scheduler)
    ratio = scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod)
    assert torch.equal(weights[ratio <= noise_loss.MAX_SNR].unique(), torch.ones(1))
    assert float(weights[0]) == pytest.approx(noise_loss.MAX_SNR / float(ratio[0]))


def test_a_text_encoder_learns_sentences(tmp_path: Path) -> None:
    tokenizer = new_tokenizer()
    encoder = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    teach(encoder, tokenizer, steps=60, seed=1, name="reading", batch=32, folder=tmp_path)
    losses = torch.load(tmp_path / "reading.pt", weights_only=True)["losses"]
    fresh = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    assert not torch.equal(
        encoder.get_input_embeddings().weight, fresh.get_input_embeddings().weight
    )
    assert losses[-1][1] < sum(math.log(n) for n in CHOICES)


def test_a_tiny_model_trains_publishes_and_loads(tmp_path: Path) -> None:
    vae = new_vae((8, 8, 8, 8))
    pool = make_pool(vae, count=6, seed=1)
    assert pool.latents.shape == (6, 16, 8, 8)
    assert pool.cover.shape == (6, 8, 8)
    assert 0 < float(pool.cover.float().mean()) < 1
    assert decode(vae, pool.latents).shape == (6, 3, 64, 64)
    budget = Budget(minutes=60, rate=1e-3, steps=2)
    networks, scale = train_text_to_image.train(
        vae,
        Variant((8, 8), seed=1),
        name="tiny",
        budget=budget,
        batch=4,
        pool_size=8,
        reading_steps=2,
        folder=tmp_path,
    )
    publish(vae, networks, scale=scale, folder=tmp_path / "model")
    pipe = StableDiffusionPipeline.from_pretrained(
        tmp_path / "model", dtype=torch.float32, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    images = pipe("a horse", num_inference_steps=2, output_type="np").images
    assert images.shape == (1, 64, 64, 3)
    assert pipe.vae.config.scaling_factor == pytest.approx(scale, abs=1e-4)


def train_tiny(folder: Path, *, rate: float, begin: Path | None = None) -> tuple[Networks, float]:
    return train_text_to_image.train(
        new_vae((8, 8, 8, 8)),
        Variant((8, 8), seed=1),
        name="tiny",
        budget=Budget(minutes=60, rate=rate, steps=1),
        batch=4,
        pool_size=8,
        reading_steps=1,
        begin=begin,
        folder=folder,
    )


def test_a_training_starts_from_a_published_model(tmp_path: Path) -> None:
    """At a rate of 0 it equals the published model; without one, its weights differ."""
    first, scale = train_tiny(tmp_path / "first", rate=1e-3)
    publish(new_vae((8, 8, 8, 8)), first, scale=scale, folder=tmp_path / "model")
    for begin, same in ((tmp_path / "model", True), (None, False)):
        resumed, _ = train_tiny(tmp_path / f"resumed-{same}", rate=0.0, begin=begin)
        for part in ("unet", "text_encoder"):
            expected = getattr(first, part).state_dict()
            actual = getattr(resumed, part).state_dict()
            near = [torch.allclose(actual[n], expected[n].float(), atol=1e-3) for n in expected]
            assert all(near) is same


def test_without_a_checkpoint_the_shipped_autoencoder_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vae = trained.load_vae(tmp_path)
    assert "shipped autoencoder" in capsys.readouterr().out
    assert vae.config["_name_or_path"] == ""
    images, _ = next(scene_chunks(16, 5))
    assert float(train_vae.psnr(vae, images).mean()) > 26


def test_extreme_scenes_have_the_share_that_a_variant_sets() -> None:
    parts = torch.zeros(1_000, 14)
    parts[:20, 0] = len(OBJECTS)
    pool = Pool(torch.zeros(1_000, 16, 8, 8), parts, torch.zeros(1_000, 8, 8))
    for share, expected in ((0.0, 0.02), (0.25, 0.25 + 0.75 * 0.02)):
        rows = draw_rows(pool, 20_000, generator=make_generator(1), extreme_share=share)
        assert float((rows < 20).float().mean()) == pytest.approx(expected, abs=0.01)
    without = Pool(pool.latents, torch.zeros(1_000, 14), pool.cover)
    assert len(draw_rows(without, 8, generator=make_generator(1), extreme_share=0.5)) == 8
