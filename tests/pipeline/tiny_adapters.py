"""Tiny weights of what is put beside a pipeline: ControlNet, T2I-Adapter, IP-Adapter."""

from collections.abc import Callable, Mapping
from pathlib import Path

import diffusers as d
import torch
from safetensors.torch import save_file

from pipeline.cards.card import Card
from tests.pipeline import tiny_networks as nets
from tests.pipeline.tiny import TEXT_WIDTH


def controlnet(folder: Path, card: Card) -> None:
    more = nets.XL_UNET if "sdxl" in card.name else {"cross_attention_dim": TEXT_WIDTH}
    net = d.ControlNetModel(
        block_out_channels=nets.WIDTHS, layers_per_block=1, norm_num_groups=8, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        conditioning_embedding_out_channels=(8, 8, 8, 8), in_channels=card.latent_channels, **more,
    )  # fmt: skip
    # A fresh ControlNet ends in zeros, so that nothing would show.
    for block in [*net.controlnet_down_blocks, net.controlnet_mid_block]:
        torch.nn.init.normal_(block.weight, std=0.5)
    torch.nn.init.normal_(net.controlnet_cond_embedding.conv_out.weight, std=0.5)
    net.save_pretrained(folder)


def _adapter(folder: Path, card: Card) -> None:
    d.T2IAdapter(
        in_channels=3, channels=nets.WIDTHS, num_res_blocks=1, downscale_factor=8
    ).save_pretrained(folder)


def _ip_adapter(folder: Path, card: Card) -> None:
    nets.vision(16).save_pretrained(folder / "models" / "image_encoder")
    weights = {
        "image_proj.proj.weight": torch.randn(4 * TEXT_WIDTH, 16),
        "image_proj.proj.bias": torch.randn(4 * TEXT_WIDTH),
        "image_proj.norm.weight": torch.ones(TEXT_WIDTH),
        "image_proj.norm.bias": torch.zeros(TEXT_WIDTH),
    }
    unet, number = nets.unet(), 1
    for name in unet.attn_processors:
        if "attn2" not in name:
            continue
        width = nets.WIDTHS[1] if "mid_block" in name else nets.WIDTHS[0]
        for key in ("to_k_ip", "to_v_ip"):
            weights[f"ip_adapter.{number}.{key}.weight"] = torch.randn(width, TEXT_WIDTH) / 4
        number += 2
    save_file(weights, folder / "models" / "ip-adapter_sd15.safetensors")


PARTS: Mapping[str, Callable[[Path, Card], None]] = {
    "controlnet": controlnet,
    "adapter": _adapter,
    "ip_adapter": _ip_adapter,
}
"""A part's `component`, or its `use` -> what saves its tiny weights."""
