"""GLIDE against a second implementation, written from the formulas in numpy's float64."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.glide import FAST27, PARTS, Glide
from tests.pipeline import tiny

SMALL, STEPS, GUIDANCE = 8, 4, 3.0
SIZE = 4 * SMALL


def unet(channels: int, size: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=size, in_channels=channels, out_channels=6, block_out_channels=(8, 16),
        layers_per_block=1, norm_num_groups=4, cross_attention_dim=tiny.TEXT_WIDTH,
        attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return build(tmp_path_factory.mktemp("glide"))


def build(folder: Path) -> Card:
    """A tiny checkpoint of the real classes."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        tokenizer = tiny.spelling_tokenizer(folder / "words")
        end = len(tokenizer) - 1
        text = CLIPTextConfig(
            vocab_size=end + 1, hidden_size=tiny.TEXT_WIDTH, intermediate_size=tiny.TEXT_WIDTH,
            num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=tiny.TEXT_LENGTH, bos_token_id=end - 1, eos_token_id=end,
            pad_token_id=end,
        )  # fmt: skip
        parts = {
            "unet": unet(3, SMALL), "text_encoder": CLIPTextModel(text), "tokenizer": tokenizer,
            "upsampler": unet(6, SIZE), "upsampler_text_encoder": CLIPTextModel(text),
        }  # fmt: skip
    common: dict[str, Any] = {"variance_type": "learned_range", "clip_sample": True}
    parts["scheduler"] = DDPMScheduler(beta_schedule="squaredcos_cap_v2", **common)
    parts["upsampler_scheduler"] = DDPMScheduler(beta_schedule="linear", **common)
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    index = {name: kind.split(":") for name, kind in PARTS.items()}
    (folder / "model_index.json").write_text(json.dumps(index))
    shipped = load_cards()["glide"]
    changes = {"path": str(folder), "repo": "", "gpu": False, "height": SIZE, "width": SIZE}
    return shipped.model_copy(update=changes)


def model(card: Card, **changes: Any) -> Glide:  # noqa: ANN401
    settings = {"height": SIZE, "width": SIZE, "num_inference_steps": STEPS, **changes}
    chosen = tiny.config(card, guidance_scale=GUIDANCE, **settings)
    return Glide(card, resolve(card), chosen, Intervention({}))


def cosine_betas() -> np.ndarray:
    t = np.arange(1001) / 1000
    f = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.minimum(1 - f[1:] / f[:-1], 0.999)


class Second:
    """The formulas, one cell at a time, float64 outside the networks."""

    def __init__(self, card: Card) -> None:
        folder = Path(card.path)
        self.base, self.upsampler = (
            UNet2DConditionModel.from_pretrained(folder / name).eval()
            for name in ("unet", "upsampler")
        )
        self.encoders = [
            CLIPTextModel.from_pretrained(folder / name).eval()
            for name in ("text_encoder", "upsampler_text_encoder")
        ]
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")

    def states(self, text: str, which: int) -> torch.Tensor:
        ids = self.tokenizer(
            text, padding="max_length", truncation=True, max_length=tiny.TEXT_LENGTH
        ).input_ids
        states: torch.Tensor = self.encoders[which](torch.tensor([ids])).last_hidden_state
        return states

    def network(self, net: Any, x: np.ndarray, t: int, states: torch.Tensor) -> np.ndarray:  # noqa: ANN401
        given = net(torch.tensor(x[None], dtype=torch.float32), t, states).sample
        return np.asarray(given[0].double())

    @torch.inference_mode()
    def draw(
        self, text: str, seed: int, *, guidance: float = GUIDANCE, temperature: float = 0.997,
        last: int = 997,
    ) -> np.ndarray:  # fmt: skip
        generator = torch.Generator().manual_seed(seed)

        def noise(size: int) -> np.ndarray:
            return np.asarray(torch.randn(3, size, size, generator=generator).double())

        small = self.small(text, noise, guidance)
        small = np.round((small + 1) * 127.5) / 127.5 - 1
        seen = torch.nn.functional.interpolate(
            torch.tensor(small[None]), (SIZE, SIZE), mode="bilinear"
        )[0].numpy()
        kept = np.cumprod(1 - np.linspace(0.0001, 0.02, 1000))
        x = noise(SIZE) * temperature
        states = self.states(text, 1)
        steps = [last, *FAST27[1:]]
        for t, after in zip(steps, [*steps[1:], None], strict=True):
            eps = self.network(self.upsampler, np.concatenate([x, seen]), t, states)[:3]
            clean = np.clip((x - np.sqrt(1 - kept[t]) * eps) / np.sqrt(kept[t]), -1, 1)
            eps = (x - np.sqrt(kept[t]) * clean) / np.sqrt(1 - kept[t])
            to = 1.0 if after is None else kept[after]
            x = np.sqrt(to) * clean + np.sqrt(1 - to) * eps
        return np.clip(x / 2 + 0.5, 0, 1).transpose(1, 2, 0)

    def small(self, text: str, noise: Any, guidance: float) -> np.ndarray:  # noqa: ANN401
        """Improved DDPM's step (Nichol & Dhariwal 2021, eq. 15) with a learned variance."""
        kept = np.cumprod(1 - cosine_betas())
        steps = np.linspace(0, 999, STEPS).round().astype(int)[::-1].tolist()
        yes, no = self.states(text, 0), self.states("", 0)
        x = noise(SMALL)
        for t, after in zip(steps, [*steps[1:], None], strict=True):
            mine = self.network(self.base, x, t, yes)
            other = self.network(self.base, x, t, no)[:3]
            eps = other + guidance * (mine[:3] - other)
            to = 1.0 if after is None else kept[after]
            alpha = kept[t] / to
            clean = np.clip((x - np.sqrt(1 - kept[t]) * eps) / np.sqrt(kept[t]), -1, 1)
            x = (
                np.sqrt(to) * (1 - alpha) * clean + np.sqrt(alpha) * (1 - to) * x
            ) / (1 - kept[t])  # fmt: skip
            if after is not None:
                small, large = np.log((1 - to) / (1 - kept[t]) * (1 - alpha)), np.log(1 - alpha)
                share = (mine[3:] + 1) / 2
                x = x + np.exp((share * large + (1 - share) * small) / 2) * noise(SMALL)
        return x


def worst(ours: np.ndarray, theirs: list[np.ndarray]) -> float:
    return float(abs(ours.astype(float) - np.stack(theirs) * 255).max())


def test_images_are_those_of_the_formulas(card: Card) -> None:
    ours, second = model(card).generate(tiny.batch()), Second(card)
    assert ours.images.shape == (4, SIZE, SIZE, 3)
    assert ours.finite.all()
    cells = list(zip(tiny.PROMPTS, tiny.SEEDS, strict=True))
    assert worst(ours.images, [second.draw(*cell) for cell in cells]) <= 2
    for wrong in ({"guidance": 1.0}, {"temperature": 0.9}, {"last": 999}):
        theirs = [second.draw(*cell, **wrong) for cell in cells[:2]]  # type: ignore[arg-type]
        assert worst(ours.images[:2], theirs) > 2, wrong


def test_an_image_depends_on_its_own_cell_only(card: Card) -> None:
    ours = model(card)
    images = ours.generate(tiny.batch()).images
    turned = ours.generate(tiny.batch(tiny.PROMPTS[::-1], tiny.SEEDS[::-1])).images[::-1]
    assert abs(images.astype(int) - turned.astype(int)).max() <= 1
    with torch.random.fork_rng():
        torch.manual_seed(999)
        state = torch.get_rng_state()
        assert np.array_equal(images, ours.generate(tiny.batch()).images)
        assert torch.equal(state, torch.get_rng_state())


def test_what_it_cannot_do_is_refused(card: Card, tmp_path: Path) -> None:
    for changes, reason in (
        ({"scheduler": "DDIMScheduler"}, "DDPMScheduler"),
        ({"eta": 1.0}, "eta"),
        ({"dtype": "bfloat16"}, "float32"),
    ):
        with pytest.raises(ModelError, match=reason):
            model(card, **changes)
    shutil.copytree(card.path, tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "upsampler")
    with pytest.raises(ModelError, match="its part upsampler is missing"):
        model(card.model_copy(update={"path": str(tmp_path / "half")}))


def test_what_would_be_loaded_but_not_hashed(tmp_path: Path) -> None:
    own = build(tmp_path)
    with pytest.raises(ModelError, match="remove `variant`"):
        model(own.model_copy(update={"variant": "fp16"}))
    index = json.loads((tmp_path / "model_index.json").read_bytes())
    del index["upsampler"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="does not name upsampler; add"):
        model(own)
