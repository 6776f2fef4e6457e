"""Make the seedlings' untrained networks, from the classes that Stable Diffusion uses."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

LATENT_CHANNELS = 16
TEXT_WIDTH = 128
TEXT_LENGTH = 24


def new_vae(channels: tuple[int, ...] = (16, 32, 64, 96)) -> AutoencoderKL:
    """Make an untrained autoencoder, 64 x 64 pixels to 16 x 8 x 8 latents.

    Each norm has two groups: with one channel per group, a norm would remove each channel's mean,
    and with it colour and brightness.

    Args:
        channels: Widths of the four levels, from 64 x 64 down to 8 x 8.

    Returns:
        The autoencoder in fp32.
    """
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        sample_size=64,
        latent_channels=LATENT_CHANNELS,
        block_out_channels=channels,
        layers_per_block=1,
        norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        mid_block_add_attention=False,
        scaling_factor=1.0,
        force_upcast=False,
    )


@dataclass(frozen=True)
class Variant:
    """Settings of one of our text-to-image models, which share their autoencoder and world.

    Attributes:
        channels: Widths of the noise predictor's levels.
        seed: Seed of the data order in training; replicates differ in it and in initial weights.
        beta_end: Last beta of the scaled linear schedule.
        scale_shift: Whether time and pooled text scale the features of a residual block as well
            as shift them (Dhariwal & Nichol 2021, arXiv:2105.05233, section 3.1).
        extreme_share: Share of the training latents that are drawn from the extreme scenes only.
            The world itself shows about one extreme scene in two batches.
        guidance: The guidance scale that images are drawn and measured with, as on its card.
    """

    channels: tuple[int, ...]
    seed: int
    beta_end: float = 0.012
    scale_shift: bool = False
    extreme_share: float = 0.0
    guidance: float = 3.0


VARIANTS: dict[str, Variant] = {
    "seedling-mini": Variant((56, 96), seed=3),
    "seedling-mini-b": Variant((56, 96), seed=103),
    "seedling-mini-c": Variant((56, 96), seed=203),
    "seedling": Variant(
        (72, 128), seed=13, beta_end=0.008, scale_shift=True, extreme_share=0.06, guidance=4.0
    ),
}


def new_unet(
    channels: tuple[int, ...] = (64, 96, 128),
    *,
    pooled_text: bool = True,
    scale_shift: bool = False,
) -> UNet2DConditionModel:
    """Make an untrained noise predictor on 16 x 8 x 8 latents, conditioned on text.

    The text enters twice: through cross-attention, and pooled into the time embedding, which every
    residual block receives (as in Imagen, Saharia et al. 2022, arXiv:2205.11487, appendix D.1).

    Args:
        channels: Widths of the levels, from 8 x 8 down.
        pooled_text: Whether the text enters the time embedding as well as the attention.
        scale_shift: See `Variant`.

    Returns:
        The network in fp32.
    """
    levels = len(channels)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=channels,
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        addition_embed_type="text" if pooled_text else None,
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift" if scale_shift else "default",
    )


def new_text_encoder(vocabulary: int, end: int) -> CLIPTextModel:
    """Make an untrained text encoder.

    Args:
        vocabulary: Number of tokens.
        end: Id of the end token, whose state is the pooled output.

    Returns:
        The encoder in fp32: token ids (B, 24) to states (B, 24, 128).
    """
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TEXT_LENGTH,
            projection_dim=TEXT_WIDTH,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def new_scheduler(beta_end: float = 0.012) -> DDIMScheduler:
    """Make a DDIM schedule with scaled linear betas; those of Stable Diffusion end at 0.012."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=beta_end,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


def to_vae_range(images: Tensor) -> Tensor:
    """Map images from 0..1 to the range -1..1 that the autoencoder takes."""
    return images * 2 - 1


def to_images(decoded: Tensor) -> Tensor:
    """Map the autoencoder's output to images in 0..1."""
    return (decoded / 2 + 0.5).clamp(0, 1)


def save_fp16(module: nn.Module, path: Path) -> None:
    """Write a module's weights as fp16 safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.detach().to(torch.float16).contiguous()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }
    temporary = path.with_name(f".{path.name}")
    save_file(state, temporary, metadata={"format": "pt"})
    temporary.replace(path)
