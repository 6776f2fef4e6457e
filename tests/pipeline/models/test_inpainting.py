"""Inpainting: the native call with one image and mask per item, and the effect of sharing them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline, UNet2DConditionModel
from PIL import Image

from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models import inpainting
from pipeline.models.inpainting import AnyChannels, Inpainting
from pipeline.prompts.prompt_sets import Prompt
from tests.pipeline import tiny

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def condition_images() -> dict[str, Image.Image]:
    """Two images ("1", "2") and two masks ("3", "4")."""
    rng = np.random.default_rng(3)
    found = {
        str(n): Image.fromarray(rng.integers(0, 256, (tiny.SIZE, tiny.SIZE, 3), np.uint8))
        for n in (1, 2)
    }
    for name, part in (("3", np.s_[:, :32]), ("4", np.s_[16:, 24:])):
        mask = np.zeros((tiny.SIZE, tiny.SIZE, 3), np.uint8)
        mask[part] = 255
        found[name] = Image.fromarray(mask)
    return {name * 64: picture for name, picture in found.items()}


CONDITION_IMAGES = condition_images()
CHOSEN = (("1", "3"), ("2", "4"), ("1", "4"), ("2", "3"))


def batch(chosen: tuple[tuple[str, str], ...] = CHOSEN, seeds: Any = tiny.SEEDS) -> Batch:  # noqa: ANN401
    prompts = tuple(
        Prompt(text, image=image * 64, mask=mask * 64)
        for text, (image, mask) in zip(tiny.PROMPTS, chosen, strict=False)
    )
    return Batch(prompts, seeds, CONDITION_IMAGES)


def build(folder: Path, channels: int, latents: int = 4) -> Card:
    """A tiny checkpoint whose UNet has so many input channels."""
    card = load_cards()["sd2-inpainting"].model_copy(update={"latent_channels": latents})
    with torch.random.fork_rng():
        torch.manual_seed(channels)
        plain = tiny._pipe(folder, card)
        unet = UNet2DConditionModel.from_config(plain.unet.config, in_channels=channels)
        parts = {**plain.components, "unet": unet}
        del parts["image_encoder"]
        pipe = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
        pipe.save_pretrained(folder)
    changes = {"path": str(folder), "repo": "", "variant": "", "gpu": False, "dtype": "float32"}
    return card.model_copy(update=changes)


CHANNELS = {"9": (9, 4), "4": (4, 4), "33": (33, 16), "16": (16, 16)}
"""Input channels of the UNet and channels of the latents."""


@pytest.fixture(scope="module", params=CHANNELS)
def card(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Card:
    return build(tmp_path_factory.mktemp(f"channels{request.param}"), *CHANNELS[request.param])


def model(card: Card, **changes: Any) -> Inpainting:  # noqa: ANN401
    return Inpainting(card, resolve(card), tiny.config(card, **changes), Intervention({}))


def native(card: Card, cells: Batch, *, shared: bool = False, **changes: Any) -> np.ndarray:  # noqa: ANN401
    """The library's own call; the starting noise is each generator's first draw."""
    pipe = StableDiffusionInpaintPipeline.from_pretrained(card.path, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    settings = tiny.config(card, **changes)
    generators = [torch.Generator().manual_seed(seed) for seed in cells.seeds]
    start: dict[str, Any] = {}
    if pipe.unet.config.in_channels == 4:  # else the call itself draws the noise first
        draws = [torch.randn(1, 4, 8, 8, generator=g) for g in generators]
        start = {"latents": torch.cat(draws)}
    own = [
        [CONDITION_IMAGES[getattr(prompt, name)] for prompt in cells.prompts]
        for name in ("image", "mask")
    ]
    image, mask = [column[0] for column in own] if shared else own
    images = pipe(
        prompt=[prompt.text for prompt in cells.prompts], image=image, mask_image=mask,
        generator=generators, height=tiny.SIZE, width=tiny.SIZE, eta=settings.eta,
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale, **start,
    ).images  # fmt: skip
    return np.stack([np.asarray(image) for image in images])


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


def by_hand(card: Card, cells: Batch, **changes: Any) -> np.ndarray:  # noqa: ANN401
    """The same, cell by cell, written from the method: what diffusers cannot call."""
    pipe = StableDiffusionInpaintPipeline.from_pretrained(card.path, safety_checker=None)
    settings, found = tiny.config(card, **changes), []
    for prompt, seed in zip(cells.prompts, cells.seeds, strict=True):
        images = [CONDITION_IMAGES[name] for name in (prompt.image, prompt.mask) if name]
        found.append(_one_by_hand(pipe, settings, prompt.text, images, seed))
    return np.stack(found)


@torch.no_grad()
def _one_by_hand(pipe: Any, settings: Any, text: str, images: Any, seed: int) -> np.ndarray:  # noqa: ANN401
    own, count = torch.Generator().manual_seed(seed), pipe.vae.config.latent_channels
    picture = torch.from_numpy(np.array(images[0])).permute(2, 0, 1)[None] / 127.5 - 1
    mask = torch.from_numpy(np.array(images[1].convert("L")) / 255.0)[None, None] >= 0.5
    small, shape = mask[..., ::8, ::8].float(), (1, count, 8, 8)

    def encoded(pixels: torch.Tensor) -> torch.Tensor:
        found = pipe.vae.encode(pixels.float()).latent_dist
        drawn = found.mean + found.std * torch.randn(shape, generator=own)
        return drawn * pipe.vae.config.scaling_factor

    ordinary = pipe.unet.config.in_channels == count
    noise = x = torch.randn(shape, generator=own)
    known = encoded(picture) if ordinary else None
    masked = encoded(picture * ~mask)
    yes, no = pipe.encode_prompt([text], "cpu", 1, True)  # noqa: FBT003
    pipe.scheduler.set_timesteps(settings.num_inference_steps)
    steps = list(pipe.scheduler.timesteps)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        seen = x if ordinary else torch.cat([x, small, masked], 1)
        with_text, without = (pipe.unet(seen, step, states).sample for states in (yes, no))
        e = without + settings.guidance_scale * (with_text - without)
        x = pipe.scheduler.step(e, step, x, eta=settings.eta, generator=own).prev_sample
        if known is not None:
            there = known
            if following is not None:
                kept = pipe.scheduler.alphas_cumprod[following]
                there = kept.sqrt() * known + (1 - kept).sqrt() * noise
            x = (1 - small) * there + small * x
    pixels = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample
    drawn: np.ndarray = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round()[0].permute(1, 2, 0).numpy()
    return drawn


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_equals_the_native_call_with_one_image_per_item(card: Card, eta: float) -> None:
    drawn = model(card, eta=eta).generate(batch())
    assert drawn.images.shape == (4, tiny.SIZE, tiny.SIZE, 3)
    assert drawn.finite.all()
    oracle = native if card.latent_channels == 4 else by_hand
    assert worst(drawn.images, oracle(card, batch(), eta=eta)) <= 1
    turned = batch(CHOSEN[::-1])
    assert worst(drawn.images, oracle(card, turned, eta=eta)) > 1, "the images are conditions"


@pytest.mark.parametrize("channels", ["9", "4"])
def test_any_channels_equals_the_librarys_pipeline_where_that_can(
    tmp_path: Path, channels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = build(tmp_path, *CHANNELS[channels])
    monkeypatch.setattr(inpainting, "DIFFUSERS_CHANNELS", 0)
    ours = model(card, eta=1.0)
    assert isinstance(ours.pipe, AnyChannels)
    drawn = ours.generate(batch()).images
    assert worst(drawn, native(card, batch(), eta=1.0)) <= 1
    assert worst(drawn, by_hand(card, batch(), eta=1.0)) <= 1, "so is what the test holds it to"


@pytest.mark.parametrize("channels", ["33", "16"])
def test_the_librarys_pipeline_cannot(tmp_path: Path, channels: str) -> None:
    """Why `AnyChannels` is there: once this fails it may go."""
    with pytest.raises(ValueError, match="should have either 4 or 9 input channels"):
        native(build(tmp_path, *CHANNELS[channels]), batch())


def test_a_shared_image_takes_the_noise_of_a_neighbours_seed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The obvious call of diffusers fails here, and ours, over the same cells, does not."""
    card = build(tmp_path_factory.mktemp("shared"), 9)
    same = (CHOSEN[0],) * 4
    cells = batch(same, (7, 123, 5, 9))
    own = Batch(cells.prompts[1:2], (123,), CONDITION_IMAGES)
    theirs, theirs_alone = native(card, cells, shared=True), native(card, own, shared=True)
    assert worst(theirs[1:2], theirs_alone) > 1
    ours = model(card)
    assert worst(ours.generate(cells).images[1:2], ours.generate(own).images) <= 1
    assert worst(ours.generate(own).images, theirs_alone) <= 1


def test_an_image_depends_on_its_own_cell_only(card: Card) -> None:
    ours = model(card, eta=1.0)
    images = ours.generate(batch()).images
    cells = batch()
    turned = Batch(cells.prompts[::-1], cells.seeds[::-1], CONDITION_IMAGES)
    assert worst(images, ours.generate(turned).images[::-1]) <= 1
    assert worst(images, ours.generate(batch()).images) == 0
    others = Batch(cells.prompts, (1, 2, 3, 4), CONDITION_IMAGES)
    assert worst(images, ours.generate(others).images) > 1


def test_no_global_random_numbers(card: Card) -> None:
    ours = model(card, eta=1.0)
    images = ours.generate(batch()).images
    with torch.random.fork_rng():
        torch.manual_seed(999)
        state = torch.get_rng_state()
        assert worst(images, ours.generate(batch()).images) == 0
        assert torch.equal(state, torch.get_rng_state())


def test_nan_is_said(card: Card) -> None:
    ours = model(card)
    with torch.inference_mode():
        ours.pipe.unet.conv_out.weight.fill_(float("nan"))
    assert not ours.generate(batch()).finite.any()


def test_missing_and_wrong_images_are_named(card: Card) -> None:
    ours = model(card)
    with pytest.raises(ModelError, match="no mask"):
        ours.generate(Batch((Prompt("a", image="1" * 64),), (1,), CONDITION_IMAGES))
    small = {**CONDITION_IMAGES, "3" * 64: Image.new("RGB", (32, 64))}
    with pytest.raises(ModelError, match="32 x 64"):
        ours.generate(Batch(batch().prompts[:1], (1,), small))


def test_other_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="5 input channels"):
        model(build(tmp_path / "five", 5))
    with pytest.raises(ModelError, match="wanted a UNet of 33"):
        model(build(tmp_path / "nine", 9, 16))
    said = build(tmp_path / "said", 9).model_copy(update={"latent_channels": 16})
    with pytest.raises(ModelError, match="its autoencoder has 4"):
        model(said)
