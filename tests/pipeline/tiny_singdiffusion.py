"""A tiny SingDiffusion network with random weights, in the authors' layout, and a text encoder."""

from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from tests.pipeline import tiny

TEXT_WIDTH = 24


def parameters(folder: Path, *, channels: int = 16) -> dict[str, Any]:
    """Write the network (with its time layers, as a .bin) and give the parameters naming it."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        unet = UNet2DConditionModel(
            sample_size=8, in_channels=channels, out_channels=channels, block_out_channels=(8, 16),
            layers_per_block=1, norm_num_groups=4, cross_attention_dim=TEXT_WIDTH,
            attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        )  # fmt: skip
        tokenizer = tiny.spelling_tokenizer(folder / "words")
        encoder = CLIPTextModel(CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=TEXT_WIDTH, intermediate_size=TEXT_WIDTH,
            num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=tiny.TEXT_LENGTH, bos_token_id=len(tokenizer) - 2,
            eos_token_id=len(tokenizer) - 1, pad_token_id=len(tokenizer) - 1,
        ))  # fmt: skip
    unet.save_config(folder / "network")
    torch.save(unet.state_dict(), folder / "network" / "diffusion_pytorch_model.bin")
    encoder.save_pretrained(folder / "text" / "text_encoder")
    tokenizer.save_pretrained(folder / "text" / "tokenizer")
    return {"weights": str(folder / "network"), "text_weights": str(folder / "text")}
