"""Tiny networks, tokenizers and schedulers of real pipelines' classes, with random weights."""

from typing import Any

import diffusers as d
import transformers as t

from tests.pipeline.tiny import SIZE, TEXT_LENGTH, TEXT_WIDTH

WIDTHS = (16, 32)
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SECOND_WIDTH = 48
"""Width of SDXL's second text encoder; it is not that of the first in real models either."""
XL_UNET = {
    "cross_attention_dim": TEXT_WIDTH + SECOND_WIDTH, "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + TEXT_WIDTH,
    "use_linear_projection": True,
}  # fmt: skip


def vae(channels: int = 4, **more: Any) -> Any:  # noqa: ANN401
    vae = d.AutoencoderKL(
        latent_channels=channels, block_out_channels=(8, 8, 8, 8), norm_num_groups=2,
        layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, mid_block_add_attention=False, **more,
    )  # fmt: skip
    vae.decoder.conv_out.weight.data *= 5
    return vae


def movq() -> Any:  # noqa: ANN401
    return d.VQModel(
        block_out_channels=(32, 32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1,
        norm_num_groups=8, norm_type="spatial", num_vq_embeddings=12, vq_embed_dim=4,
        latent_channels=4, mid_block_add_attention=False,
    )  # fmt: skip


def clip_config(end: int, **more: Any) -> Any:  # noqa: ANN401
    return t.CLIPTextConfig(**{
        "vocab_size": end + 1, "hidden_size": TEXT_WIDTH, "intermediate_size": TEXT_WIDTH,
        "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": TEXT_WIDTH,
        "max_position_embeddings": TEXT_LENGTH, "bos_token_id": end - 1, "eos_token_id": end,
        "pad_token_id": end, **more,
    })  # fmt: skip


def clip(kind: Any, tokenizer: Any, **more: Any) -> Any:  # noqa: ANN401
    return kind(clip_config(len(tokenizer) - 1, **more))


def t5() -> tuple[Any, Any]:
    letters = [chr(code) for code in range(33, 127)]
    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *letters, *("\u2581" + c for c in letters)]
    tokenizer = t.T5Tokenizer(
        vocab=[(piece, -1.0) for piece in pieces], extra_ids=0, model_max_length=512
    )
    encoder = t.T5EncoderModel(t.T5Config(
        vocab_size=len(pieces), d_model=TEXT_WIDTH, d_kv=16, d_ff=32, num_layers=1, num_heads=2,
    ))  # fmt: skip
    return tokenizer, encoder


def unet(**more: Any) -> Any:  # noqa: ANN401
    return d.UNet2DConditionModel(**{
        "sample_size": SIZE // 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1,
        "block_out_channels": WIDTHS, "norm_num_groups": 8, "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": 2, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), **more,
    })  # fmt: skip


def ddim() -> Any:  # noqa: ANN401
    return d.DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def euler(kind: Any = d.EulerDiscreteScheduler) -> Any:  # noqa: ANN401
    return kind(**BETAS, timestep_spacing="leading", steps_offset=1)


def prior(tokenizer: Any) -> Any:  # noqa: ANN401
    prior = d.PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, embedding_dim=TEXT_WIDTH, num_layers=1,
        num_embeddings=TEXT_LENGTH, additional_embeddings=4,
    )  # fmt: skip
    prior.clip_std.data.fill_(1)  # zero in a fresh one: every embedding would be zero
    return prior


def vision(width: int) -> Any:  # noqa: ANN401
    return t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=8, projection_dim=width,
    ))  # fmt: skip


def unclip_scheduler() -> Any:  # noqa: ANN401
    return d.UnCLIPScheduler(
        variance_type="fixed_small_log", prediction_type="sample", num_train_timesteps=1000,
        clip_sample_range=5.0,
    )  # fmt: skip


def if_unet(channels: int, **more: Any) -> Any:  # noqa: ANN401
    return d.UNet2DConditionModel(
        sample_size=SIZE, in_channels=channels, out_channels=6, layers_per_block=1,
        block_out_channels=(16, 32), norm_num_groups=8, attention_head_dim=8,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        encoder_hid_dim=TEXT_WIDTH, cross_attention_dim=TEXT_WIDTH, addition_embed_type="text",
        addition_embed_type_num_heads=2, cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift", act_fn="gelu", **more,
    )  # fmt: skip


def if_scheduler() -> Any:  # noqa: ANN401
    return d.DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", thresholding=True, variance_type="learned_range",
        prediction_type="epsilon", dynamic_thresholding_ratio=0.95, sample_max_value=1.0,
    )  # fmt: skip


CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
"""What Qwen3's chat template makes of one message."""


def qwen(kind: Any, layers: int) -> tuple[Any, Any]:  # noqa: ANN401
    """A tokenizer that spells, with Qwen3's chat template, and a language model."""
    letters = [chr(code) for code in range(33, 127)] + ["\u0120", "\u010a"]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {word: number for number, word in enumerate([*letters, *special])}
    tokenizer = t.Qwen2Tokenizer(
        vocab=vocabulary, merges=[], model_max_length=512, pad_token=special[0],
        additional_special_tokens=special[1:],
    )  # fmt: skip
    tokenizer.chat_template = CHAT
    return tokenizer, kind(t.Qwen3Config(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, max_position_embeddings=512,
    ))  # fmt: skip
