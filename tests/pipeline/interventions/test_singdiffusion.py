"""SingDiffusion against a second implementation, written from the formulas and the UNet's parts."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions.singdiffusion import SingDiffusion, load_network
from tests.pipeline import tiny, tiny_singdiffusion

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEPS, GUIDANCE = 3, 4.0


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


@pytest.fixture(scope="module")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return tiny_singdiffusion.parameters(tmp_path_factory.mktemp("sing"))


def settings(card: Card, **changes: Any) -> Any:  # noqa: ANN401
    return tiny.config(card, guidance_scale=GUIDANCE, negative_prompt="ugly", **changes)


def kept(steps: int) -> tuple[float, float]:
    """Weights of image and noise at the first of so many "leading" steps, offset 1."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    first = (steps - 1) * (1000 // steps) + 1
    left = np.cumprod(1 - betas)[first]
    return float(left**0.5), float((1 - left) ** 0.5)


def second_network(folder: Path, *, timeless: bool = True) -> UNet2DConditionModel:
    """The authors' way: the whole UNet, its residual blocks told to leave the time out."""
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder))
    unet.load_state_dict(torch.load(folder / "diffusion_pytorch_model.bin", weights_only=True))
    for name, block in unet.named_modules():
        if timeless and hasattr(block, "time_emb_proj"):
            assert "resnets" in name
            block.time_emb_proj = block.time_embedding_norm = None
    return unet.eval()


def encoded(text: str, folder: Path, width: int) -> torch.Tensor:
    """One prompt's states."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")
    ids = tokenizer(text, padding="max_length", truncation=True, max_length=tiny.TEXT_LENGTH)
    states: torch.Tensor = encoder(torch.tensor([ids.input_ids])).last_hidden_state
    assert states.shape == (1, tiny.TEXT_LENGTH, width)
    return states


@torch.inference_mode()
def second(
    parameters: dict[str, str], noise: torch.Tensor, *, divisor: float = GUIDANCE,
    timeless: bool = True, prompts: tuple[str, ...] = tiny.PROMPTS,
) -> torch.Tensor:  # fmt: skip
    """The start of sampling, one cell at a time."""
    network = second_network(Path(parameters["weights"]), timeless=timeless)
    text = Path(parameters["text_weights"])
    a, b = kept(STEPS)
    starts = []
    for prompt, own in zip(prompts, noise, strict=True):
        x, one = own[None], torch.ones(1)
        yes, no = (
            network(x, one, encoded(t, text, tiny_singdiffusion.TEXT_WIDTH)).sample
            for t in (prompt, "ugly")
        )
        starts.append(a * (no + GUIDANCE * (yes - no)) / divisor + b * x)
    return torch.cat(starts)


def started(card: Card, parameters: dict[str, str], **changes: Any) -> torch.Tensor:  # noqa: ANN401
    """Our start of sampling, and the noise unchanged."""
    model = tiny.model(card, settings(card, **changes), SingDiffusion(parameters))
    noise = native_noise()
    before = noise.clone()
    with torch.inference_mode():
        start: torch.Tensor = model.intervention.starting_noise(noise, tiny.batch())
    assert torch.equal(noise, before)
    assert start.dtype == torch.float32
    return start


def native_noise() -> torch.Tensor:
    draws = [torch.randn(16, 8, 8, generator=torch.Generator().manual_seed(s)) for s in tiny.SEEDS]
    return torch.stack(draws)


def test_the_start_is_the_formulas(card: Card, parameters: dict[str, str]) -> None:
    ours = started(card, parameters)
    torch.testing.assert_close(ours, second(parameters, native_noise()), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    "wrong", [{"divisor": 1.0}, {"timeless": False}, {"prompts": tiny.PROMPTS[::-1]}]
)
def test_a_wrong_formula_would_be_noticed(
    card: Card, parameters: dict[str, str], wrong: dict[str, Any]
) -> None:
    ours = started(card, parameters)
    assert float((ours - second(parameters, native_noise(), **wrong)).abs().max()) > 1e-3


def test_the_images_are_the_native_call_from_that_start(
    card: Card, parameters: dict[str, str]
) -> None:
    """Step noise too: it comes from the generators that have drawn the starting noise."""
    chosen = settings(card, eta=1.0)
    ours = tiny.model(card, chosen, SingDiffusion(parameters)).generate(tiny.batch()).images
    generators = [torch.Generator().manual_seed(s) for s in tiny.SEEDS]
    for generator in generators:
        torch.randn(16, 8, 8, generator=generator)
    call = {"negative_prompt": ["ugly"] * 4, "generator": generators}
    start = second(parameters, native_noise())
    theirs = tiny.native_images(card, chosen, tiny.batch(), latents=start, **call)
    assert worst(ours, theirs) <= 1
    plain = tiny.native_images(card, chosen, tiny.batch(), negative_prompt=["ugly"] * 4)
    assert worst(ours, plain) > 1


def worst(ours: np.ndarray, others: Any) -> int:  # noqa: ANN401
    theirs = np.stack([np.asarray(image) for image in others]).astype(int)
    return int(abs(ours.astype(int) - theirs).max())


def test_without_guidance_the_prediction_is_the_prompts_own(
    card: Card, parameters: dict[str, str]
) -> None:
    a, b = kept(STEPS)
    ours = started(card, parameters).sub(b * native_noise()) / a
    model = tiny.model(card, tiny.config(card, guidance_scale=1.0), SingDiffusion(parameters))
    with torch.inference_mode():
        plain = model.intervention.starting_noise(native_noise(), tiny.batch())
        network = second_network(Path(parameters["weights"]))
        text = Path(parameters["text_weights"])
        states = encoded(tiny.PROMPTS[0], text, tiny_singdiffusion.TEXT_WIDTH)
        own = network(native_noise()[:1], torch.ones(1), states).sample
    torch.testing.assert_close(plain[:1], a * own + b * native_noise()[:1], atol=2e-5, rtol=0)
    assert not torch.allclose(plain, a * ours + b * native_noise(), atol=1e-4)


def test_the_weights_of_image_and_noise_at_50_steps(card: Card, parameters: dict[str, str]) -> None:
    """Step t = 981 of Stable Diffusion's schedule: 0.075997 and 0.997108."""
    model = tiny.model(card, settings(card, num_inference_steps=50), SingDiffusion(parameters))
    left = float(model.intervention._kept)
    assert left**0.5 == pytest.approx(0.075997, abs=1e-6)
    assert (1 - left) ** 0.5 == pytest.approx(0.997108, abs=1e-6)
    assert kept(50) == pytest.approx((0.075997, 0.997108), abs=1e-6)


def test_safetensors_without_time_layers_load_as_well(
    parameters: dict[str, str], tmp_path: Path
) -> None:
    folder = Path(parameters["weights"])
    shutil.copy(folder / "config.json", tmp_path)
    state = torch.load(folder / "diffusion_pytorch_model.bin", weights_only=True)
    timeless = {name: value for name, value in state.items() if "time_emb" not in name}
    assert len(timeless) < len(state)
    save_file(timeless, tmp_path / "diffusion_pytorch_model.safetensors")
    x, states = torch.ones(1, 16, 8, 8), torch.ones(1, 3, tiny_singdiffusion.TEXT_WIDTH)
    one, other = (load_network(path) for path in (folder, tmp_path))
    assert torch.equal(one(x, 1, states).sample, other(x, 999, states).sample)


def test_loading_leaves_the_global_stream_alone(parameters: dict[str, str]) -> None:
    before = torch.get_rng_state()
    load_network(Path(parameters["weights"]))
    assert torch.equal(before, torch.get_rng_state())


def test_a_missing_weight_is_refused(parameters: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(parameters["weights"], tmp_path / "network")
    path = tmp_path / "network" / "diffusion_pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    del state["conv_in.weight"]
    torch.save(state, path)
    with pytest.raises(ModelError, match="conv_in"):
        load_network(tmp_path / "network")


def test_a_scheduler_that_scales_the_start_is_refused(
    card: Card, parameters: dict[str, str]
) -> None:
    for name, reason in (
        ("EulerDiscreteScheduler", "init_noise_sigma"),
        ("FlowMatchEulerDiscreteScheduler", "alphas_cumprod"),
    ):
        with pytest.raises(ModelError, match=reason):
            tiny.model(card, settings(card, scheduler=name), SingDiffusion(parameters))


def test_another_familys_network_is_refused(card: Card, tmp_path: Path) -> None:
    other = SingDiffusion(tiny_singdiffusion.parameters(tmp_path, channels=4))
    with pytest.raises(ModelError, match="works on 4 latent channels"):
        tiny.model(card, settings(card), other)


def test_a_text_encoder_of_another_width_is_refused(
    card: Card, parameters: dict[str, str], tmp_path: Path
) -> None:
    """The base model's own is the likely mistake: 32 here, where the network reads 24."""
    wrong = {**parameters, "text_weights": str(resolve(card).folder)}
    message = r"reads text of width 24 and its text encoder gives 32; .*`text_weights`"
    with pytest.raises(ModelError, match=message):
        tiny.model(card, settings(card), SingDiffusion(wrong))


def test_a_card_without_a_unet_and_a_video_are_refused(
    card: Card, parameters: dict[str, str]
) -> None:
    pipe: Any = SimpleNamespace(scheduler=DDIMScheduler())
    with pytest.raises(ModelError, match=r"has no UNet \(SimpleNamespace\)"):
        SingDiffusion(parameters).check(pipe, card, settings(card))
    video = card.model_copy(update={"frames": 3})
    with pytest.raises(ModelError, match=r"videos of 3 frames.*for one image"):
        SingDiffusion(parameters).check(pipe, video, settings(card))
    pipe.unet = object()
    SingDiffusion(parameters).check(pipe, card, settings(card))


def test_a_schedule_with_nothing_to_mend_is_refused(card: Card, parameters: dict[str, str]) -> None:
    pure = {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing"}
    with pytest.raises(ModelError, match=r"has the weight .*e-05.* change nothing"):
        tiny.model(card, settings(card, scheduler_config=pure), SingDiffusion(parameters))


def test_what_is_missing_is_named_before_the_first_image(
    card: Card, parameters: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="`weights`"):
        SingDiffusion({})
    for weights, reason in (
        (tmp_path / "gone", "no weights at"),
        (tmp_path, r"config\.json"),
        (parameters["weights"], r"Stable Diffusion 1\.5"),
    ):
        with pytest.raises(ModelError, match=reason):
            tiny.model(card, settings(card), SingDiffusion({"weights": str(weights)}))


def test_the_schedule_here_is_stable_diffusions(card: Card) -> None:
    scheduler = StableDiffusionPipeline.from_pretrained(
        resolve(card).folder, safety_checker=None
    ).scheduler
    assert isinstance(scheduler, DDIMScheduler)
    assert (scheduler.config.beta_start, scheduler.config.beta_end) == (0.00085, 0.012)
