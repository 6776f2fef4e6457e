"""Weights trained with offset noise: added, taken back, read as difference and as LoRA."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from pipeline.cards.card import Card, load_cards
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.interventions.offset_noise import OffsetNoise
from tests.pipeline import tiny, tiny_offset_noise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LAYER = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
RANK, ALPHA = 2, 1.0


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_offset_noise.parameters(tmp_path_factory.mktemp("offset"))["weights"]


def images(card: Card, intervention: Intervention) -> np.ndarray:
    drawn = tiny.model(card, tiny.config(card), intervention).generate(tiny.batch())
    return np.asarray(drawn.images).astype(int)


def native(card: Card, scale: float) -> np.ndarray:
    """Diffusers' pipeline with the difference added by hand."""
    settings = tiny.config(card)
    pipe = tiny.native(card, settings)
    state = pipe.unet.state_dict()
    changes = tiny_offset_noise.changes(card)
    pipe.unet.load_state_dict({name: state[name] + scale * changes[name] for name in state})
    found = pipe(
        prompt=list(tiny.PROMPTS),
        generator=[torch.Generator().manual_seed(seed) for seed in tiny.SEEDS],
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
    ).images
    return np.stack([np.asarray(image) for image in found]).astype(int)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_difference_equals_the_librarys_call_with_it(
    card: Card, weights: str, scale: float
) -> None:
    found = images(card, OffsetNoise({"weights": weights, "scale": scale}))
    assert abs(found - native(card, scale)).max() <= 1
    assert abs(found - native(card, 1.5 - scale)).max() > 1


def test_scale_0_is_the_baseline_bit_for_bit(card: Card, weights: str) -> None:
    found = images(card, OffsetNoise({"weights": weights, "scale": 0}))
    assert np.array_equal(found, images(card, Intervention({})))


class TinyXl(StableDiffusionXLPipeline):
    """SDXL with nothing but its UNet: all that a LoRA for it is put into."""

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.unet = UNet2DConditionModel(
                sample_size=8, block_out_channels=(8, 16), layers_per_block=2,
                norm_num_groups=4, cross_attention_dim=8, attention_head_dim=(2, 4),
                transformer_layers_per_block=(1, 2), use_linear_projection=True,
                addition_embed_type="text_time", addition_time_embed_dim=4,
                projection_class_embeddings_input_dim=32,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            )  # fmt: skip


def lora(spelling: str) -> dict[str, torch.Tensor]:
    """A LoRA of one layer, spelt as trainers spell it."""
    generator = torch.Generator().manual_seed(1)
    down = torch.randn(RANK, 16, generator=generator)
    up = torch.randn(16, RANK, generator=generator)
    if spelling == "kohya":
        # As trainers of SDXL's own repository name it: second input block with attention.
        name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
        alpha = {f"{name}.alpha": torch.tensor(ALPHA)}
        return {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, **alpha}
    ends = {"peft": ("lora_A", "lora_B"), "diffusers": ("lora.down", "lora.up")}[spelling]
    return {f"unet.{LAYER}.{end}.weight": w for end, w in zip(ends, (down, up), strict=True)}


@pytest.mark.parametrize(("spelling", "alpha"), [("kohya", ALPHA), ("peft", 2), ("diffusers", 2)])
def test_an_sdxl_lora_is_up_times_down_times_alpha_over_rank(
    tmp_path: Path, card: Card, spelling: str, alpha: float
) -> None:
    file = tmp_path / "lora.safetensors"
    save_file(lora(spelling), file)
    pipe: Any = TinyXl()
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    offset = OffsetNoise({"weights": str(file), "scale": 0.5})
    offset.prepare(pipe, card)
    after = pipe.unet.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == [f"{LAYER}.weight"]
    values = lora("peft")
    up, down = values[f"unet.{LAYER}.lora_B.weight"], values[f"unet.{LAYER}.lora_A.weight"]
    wanted = before[changed[0]] + 0.5 * alpha / RANK * (up @ down)
    assert torch.allclose(after[changed[0]], wanted, atol=1e-6)
    offset.restore(pipe)
    assert all(torch.equal(before[name], pipe.unet.state_dict()[name]) for name in before)


def test_weights_of_another_network_are_refused(tmp_path: Path, card: Card) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"conv_in.weight": torch.ones(3, 3)}, file)
    with pytest.raises(ModelError, match=r"is not for card .*conv_in.weight of shape \(3, 3\)"):
        images(card, OffsetNoise({"weights": str(file)}))
    save_file({"no.such.weight": torch.ones(3)}, file)
    with pytest.raises(ModelError, match="the UNet has nothing there"):
        images(card, OffsetNoise({"weights": str(file)}))


@pytest.mark.parametrize("made_for", [None, "epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_a_difference_is_of_a_network_that_predicts_the_same(
    tmp_path: Path, card: Card, weights: str, made_for: str | None, predicts: str
) -> None:
    file = tmp_path / "said.safetensors"
    said = {"prediction_type": made_for} if made_for else None
    save_file(load_file(weights), file, metadata=said)
    settings = tiny.config(card, scheduler_config={"prediction_type": predicts})
    offset = OffsetNoise({"weights": str(file)})
    if (made_for or "epsilon") == predicts:
        tiny.model(card, settings, offset)
        return
    message = f"predicts {made_for or 'epsilon'} .*the card's predicts {predicts}"
    with pytest.raises(ModelError, match=message):
        tiny.model(card, settings, offset)


PEFT = "unet." + LAYER


@pytest.mark.parametrize(
    ("spelling", "changes", "message"),
    [
        ("kohya", {"lora_unet_no_such_layer.lora_down.weight": 1}, "diffusers cannot read"),
        ("peft", {f"{PEFT}.lora_B.weight": None}, r"lora_B\.weight is missing"),
        ("peft", {f"{PEFT}.lora_A.weight": None}, r"lora_B\.weight is neither"),
        ("peft", {f"{PEFT}.lora_magnitude_vector": 1}, "lora_magnitude_vector is neither"),
    ],
)
def test_a_lora_that_is_not_whole_is_refused(
    tmp_path: Path, card: Card, spelling: str, changes: dict[str, int | None], message: str
) -> None:
    tensors = lora(spelling)
    for name, rank in changes.items():
        tensors.pop(name, None)
        if rank:
            tensors[name] = torch.ones(rank, 16)
    save_file(tensors, tmp_path / "lora.safetensors")
    pipe: Any = TinyXl()
    with pytest.raises(ModelError, match=message):
        OffsetNoise({"weights": str(tmp_path / "lora.safetensors")}).prepare(pipe, card)


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path, card: Card) -> None:
    file = tmp_path / "bad.safetensors"
    file.write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="is no safetensors file"):
        images(card, OffsetNoise({"weights": str(file)}))
    with pytest.raises(ModelError, match="found no weights"):
        images(card, OffsetNoise({"weights": str(tmp_path / "missing.safetensors")}))
    with pytest.raises(ValueError, match="parameter missing: weights"):
        OffsetNoise({})


def test_a_lora_of_the_text_encoder_is_refused(tmp_path: Path, card: Card) -> None:
    file = tmp_path / "lora.safetensors"
    text = {"text_encoder.a.lora_A.weight": torch.ones(2, 2)}
    save_file(lora("peft") | text, file)
    pipe: Any = TinyXl()
    with pytest.raises(ModelError, match="also changes text_encoder"):
        OffsetNoise({"weights": str(file)}).prepare(pipe, card)
