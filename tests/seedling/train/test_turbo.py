"""Test the one-step relative: its exact step, its pairs, and its training."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from diffusers import DDIMScheduler, StableDiffusionPipeline

from pipeline.cards.card import find_card, resolve
from pipeline.interventions.base import Intervention
from pipeline.models.stable_diffusion import StableDiffusion
from seedling.learning.fitting import Rows
from seedling.learning.match_distribution import (
    denoised,
    empty_states,
    follower_loss,
    guided,
    matching_loss,
    noised,
)
from seedling.learning.relatives import Base, publish
from seedling.learning.teacher import FIRST_SEED
from seedling.measure.turbo import load_pipes, measure
from seedling.networks.recogniser import new_backbone, new_heads
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator
from seedling.train import turbo as train_turbo
from seedling.train.turbo import (
    draw_pairs,
    encode_prompts,
    load_pairs,
    new_scheduler,
    new_student,
    predict_latents,
    sharpen,
    train,
    turbo_loss,
    unexplained,
)
from tests.pipeline import tiny
from tests.seedling import tiny_base

CHUNK = 16


@pytest.fixture(scope="module")
def pairs(base: Base) -> Rows:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_turbo, "CHUNK", CHUNK)
        return draw_pairs(base, 1, seed=4, steps=2, guidance=3.0)


def stepped(scheduler: Any, predicted: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """Take one step from pure noise with a network that predicts `predicted`."""
    scheduler.set_timesteps(1)
    noise = torch.randn(predicted.shape, generator=make_generator(9))
    (time,) = scheduler.timesteps
    return torch.as_tensor(scheduler.step(predicted, time, noise).prev_sample)


@pytest.mark.parametrize(
    "wrong",
    [
        {"set_alpha_to_one": False},
        {"prediction_type": "epsilon"},
        {"prediction_type": "v_prediction"},
    ],
)
def test_the_step_returns_the_prediction_of_the_network(base: Base, wrong: dict[str, Any]) -> None:
    predicted = torch.randn(2, 16, 8, 8, generator=make_generator(8))
    scheduler = new_scheduler(base.networks.scheduler)
    assert torch.equal(stepped(scheduler, predicted), predicted)
    assert scheduler.timesteps.tolist() == [999]
    other = DDIMScheduler.from_config(scheduler.config, **wrong)
    assert not torch.allclose(stepped(other, predicted), predicted, atol=1e-3)


def test_leading_times_would_start_at_the_lowest_noise(base: Base) -> None:
    scheduler = new_scheduler(base.networks.scheduler)
    leading = DDIMScheduler.from_config(scheduler.config, timestep_spacing="leading")
    leading.set_timesteps(1)
    assert leading.timesteps.tolist() == [1]


def test_a_student_that_knows_the_answer_draws_it(
    base: Base, tmp_path: Path, base_folder: Path
) -> None:
    """Its last layer is constant, so the expected latents are known."""
    student, expected = new_student(base.networks.unet), torch.arange(16) / 8 - 1
    student.conv_out.bias.data = expected
    publish({"unet": student, "scheduler": new_scheduler(base.networks.scheduler)}, tmp_path / "t")
    pipe = load_pipes(base_folder, tmp_path / "t")["student"]
    assert type(pipe) is StableDiffusionPipeline
    drawn = pipe("a cat", num_inference_steps=1, guidance_scale=0.0, output_type="latent").images
    assert torch.equal(drawn, expected.view(1, 16, 1, 1).expand(1, 16, 8, 8))


def test_pairs_are_what_the_seedling_draws(base: Base, pairs: Rows) -> None:
    assert pairs["seeds"].tolist() == list(range(FIRST_SEED + CHUNK, FIRST_SEED + 2 * CHUNK))
    assert int(pairs["seeds"].max()) < 2**32
    prompts = base.networks.tokenizer.batch_decode(pairs["ids"], skip_special_tokens=True)
    pipe = new_pipe(base.vae, base.networks, scale=base.scale)

    def native(shift: int) -> torch.Tensor:
        generators = [make_generator(int(seed) + shift) for seed in pairs["seeds"]]
        drawn = pipe(
            prompts, num_inference_steps=2, guidance_scale=3.0, generator=generators,
            output_type="latent",
        )  # fmt: skip
        return torch.as_tensor(drawn.images)

    torch.testing.assert_close(pairs["latents"].float(), native(0), atol=2e-3, rtol=2e-3)
    assert float((pairs["latents"].float() - native(1)).abs().median()) > 0.1


def test_existing_pairs_are_not_drawn_again(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_turbo, "CHUNK", CHUNK)
    settings = tiny_base.settings(tmp_path, steps=1, count=2 * CHUNK)
    first = load_pairs(base, settings, steps=2)
    (folder,) = tmp_path.iterdir()
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(times) == 2
    (folder / "0001.safetensors").unlink()
    assert tiny_base.same(first, load_pairs(base, settings, steps=2))
    assert (folder / "0000.safetensors").stat().st_mtime_ns == times["0000.safetensors"]
    assert (folder / "0001.safetensors").stat().st_mtime_ns != times["0001.safetensors"]
    load_pairs(base, settings, steps=3)
    assert len(list(tmp_path.iterdir())) == 2, "pairs of another teacher"


def test_the_loss_of_exact_predictions_is_zero(base: Base, pairs: Rows) -> None:
    with torch.no_grad():
        predicted = predict_latents(
            base, base.networks.unet, pairs["seeds"], encode_prompts(base, pairs)
        )
        known = {**pairs, "latents": predicted}
        assert float(turbo_loss(predicted, known)) < 1e-6
        assert unexplained(base, base.networks.unet, known) < 1e-9
        assert unexplained(base, new_student(base.networks.unet), known) >= 1
        off = {**pairs, "latents": predicted + 0.5}
        assert float(turbo_loss(predicted, off)) == pytest.approx(0.5, abs=2e-3)


def test_it_learns(base: Base, pairs: Rows, tmp_path: Path) -> None:
    trained = train(base, pairs, tiny_base.settings(tmp_path, steps=30, rate=1e-2))
    start = unexplained(base, new_student(base.networks.unet), pairs)
    assert unexplained(base, trained, pairs) < 0.95 * start


def test_an_interrupted_training_resumes(
    base: Base, pairs: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, resumed, half_way = tiny_base.interrupted_and_not(
        lambda settings: train(base, pairs, settings), tmp_path, monkeypatch
    )
    assert tiny_base.same(uninterrupted, resumed)
    assert not tiny_base.same(uninterrupted, half_way)


def test_guidance_is_the_pipelines(base: Base, pairs: Rows) -> None:
    states, noisy = encode_prompts(base, pairs), pairs["latents"].float()
    times = torch.full((len(noisy),), 500)
    predicted = guided(base, empty_states(base), 3.0)(noisy, times, states)
    conditional = base.networks.unet(noisy, 500, encoder_hidden_states=states).sample
    ids = base.networks.tokenizer(
        "", padding="max_length", max_length=states.shape[1], return_tensors="pt"
    ).input_ids
    empty = base.networks.text_encoder(ids)[0].expand_as(states)
    unconditional = base.networks.unet(noisy, 500, encoder_hidden_states=empty).sample
    torch.testing.assert_close(
        predicted, unconditional + 3 * (conditional - unconditional), atol=1e-5, rtol=1e-4
    )
    assert not torch.allclose(predicted, conditional, atol=1e-2)


def test_denoising_undoes_the_schedulers_noising(base: Base, pairs: Rows) -> None:
    latents = pairs["latents"].float()
    noisy, times, noise = noised(base, latents, generator=make_generator(3))
    assert 20 <= int(times.min()) < int(times.max()) < 980
    torch.testing.assert_close(denoised(base, noise, noisy, times), latents, atol=1e-3, rtol=0)
    assert not torch.allclose(denoised(base, 0.5 * noise, noisy, times), latents, atol=1e-1)


def test_matching_points_from_the_follower_to_the_teacher(base: Base, pairs: Rows) -> None:
    """With networks that always denoise to one image, the gradient is known in closed form."""
    states = encode_prompts(base, pairs)
    latents = pairs["latents"].float().requires_grad_()
    alphas = base.networks.scheduler.alphas_cumprod

    def towards(end: float) -> Any:  # noqa: ANN401
        def predict(noisy: torch.Tensor, times: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            signal = alphas[times].view(-1, 1, 1, 1)
            return (noisy - signal.sqrt() * end) / (1 - signal).sqrt()

        return predict

    class Follower:
        def __init__(self, end: float) -> None:
            self.predict = towards(end)

        def __call__(self, noisy: Any, times: Any, states: Any) -> Any:  # noqa: ANN401
            return type("Output", (), {"sample": self.predict(noisy, times, states)})

    def slope(follower: float) -> torch.Tensor:
        loss = matching_loss(
            base, towards(1.0), Follower(follower), latents, states, generator=make_generator(5)
        )
        return torch.autograd.grad(loss, latents)[0] * latents.numel()

    distance = (latents.detach() - 1.0).abs().mean(dim=(1, 2, 3), keepdim=True)
    expected = ((-2.0 - 1.0) / distance).expand_as(latents)
    torch.testing.assert_close(slope(-2.0), expected, atol=1e-2, rtol=1e-2)
    assert float(slope(1.0).abs().max()) < 1e-2, "where both agree nothing moves"


def test_the_follower_gives_no_gradient_to_the_student(base: Base, pairs: Rows) -> None:
    latents = pairs["latents"].float().requires_grad_()
    follower = copy.deepcopy(base.networks.unet).requires_grad_()
    loss = follower_loss(
        base, follower, latents, encode_prompts(base, pairs), generator=make_generator(5)
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert latents.grad is None
    assert float(follower.conv_in.weight.grad.abs().sum()) > 0


def test_sharpening_moves_the_student_and_goes_on_where_it_was_interrupted(
    base: Base, pairs: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, resumed, half_way = tiny_base.interrupted_and_not(
        lambda settings: sharpen(base, new_student(base.networks.unet), pairs, settings),
        tmp_path,
        monkeypatch,
    )
    assert tiny_base.same(uninterrupted, resumed)
    assert not tiny_base.same(uninterrupted, half_way)


def publish_other(base: Base, folder: Path) -> None:
    """Publish a student with the seedling's last layer, so that its images vary."""
    student = copy.deepcopy(base.networks.unet)
    publish({"unet": student, "scheduler": new_scheduler(base.networks.scheduler)}, folder)


def test_a_card_names_the_shared_parts(base: Base, base_folder: Path, tmp_path: Path) -> None:
    publish_other(base, tmp_path / "turbo")
    assert {path.name for path in (tmp_path / "turbo").iterdir()} == {"unet", "scheduler"}
    part = {
        "use": "component",
        "component": "unet",
        "kind": "diffusers:UNet2DConditionModel",
        "path": str(tmp_path / "turbo"),
        "subfolder": "unet",
    }
    fields = find_card("seedling-mini").model_dump(mode="json", exclude={"name"})
    fields |= {
        "path": str(base_folder),
        "parts": {"unet": part},
        "num_inference_steps": 1,
        "guidance_scale": 0.0,
        "scheduler_config": {
            "prediction_type": "sample",
            "timestep_spacing": "trailing",
            "set_alpha_to_one": True,
        },
    }
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(fields))
    card = find_card(str(tmp_path / "card.yaml"))
    config = tiny.config(card, num_inference_steps=1)
    model = StableDiffusion(card, resolve(card), config, Intervention({}))
    drawn = torch.from_numpy(model.generate(tiny.batch()).images).permute(0, 3, 1, 2) / 255
    pipe = load_pipes(base_folder, tmp_path / "turbo")["student"]
    native = pipe(
        list(tiny.PROMPTS), num_inference_steps=1, guidance_scale=0.0, output_type="pt",
        generator=[make_generator(seed) for seed in tiny.SEEDS],
    ).images  # fmt: skip
    torch.testing.assert_close(drawn, native, atol=1.5 / 255, rtol=0)
    before = resolve(card).sha256
    publish({"unet": new_student(base.networks.unet)}, tmp_path / "turbo")
    assert resolve(card).sha256 != before, "a run must know which network it is"


def test_teacher_and_student_are_measured_on_the_same_cells(
    base: Base, base_folder: Path, tmp_path: Path
) -> None:
    publish_other(base, tmp_path / "turbo")
    pipes = load_pipes(base_folder, tmp_path / "turbo")
    judge = new_backbone("recogniser").eval(), new_heads(256).eval()
    figures, images = measure(pipes, *judge, count=6, seed=5)
    assert images.shape == (2, 6, 3, 64, 64)
    for name in ("teacher", "student"):
        assert figures[name]["object"]["n"] == 6  # type: ignore[index]
    again, _ = measure({**pipes, "student": pipes["teacher"]}, *judge, count=6, seed=5)
    assert figures["median_rms_difference"] != again["median_rms_difference"]
    assert figures["teacher"] == again["teacher"]
