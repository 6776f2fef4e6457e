"""A tiny InstantID checkpoint in the authors' layout, and their networks written a second time."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards
from pipeline.prompts.prompt_sets import Prompt
from tests.pipeline import native_calls, tiny, tiny_adapters, tiny_networks, tiny_pipelines

TOKENS, NUMBERS, WIDTH = 16, 512, 16
OUT = tiny.TEXT_WIDTH + tiny_networks.SECOND_WIDTH


class Perceiver(nn.Module):
    """Attention of the queries over face and queries."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.to_q = nn.Linear(WIDTH, 64, bias=False)
        self.to_kv = nn.Linear(WIDTH, 128, bias=False)
        self.to_out = nn.Linear(64, WIDTH, bias=False)

    def forward(self, face: Tensor, queries: Tensor) -> Tensor:
        face, queries = self.norm1(face), self.norm2(queries)
        keys, values = self.to_kv(torch.cat([face, queries], 1)).chunk(2, -1)
        weights = (self.to_q(queries) @ keys.mT / 8).softmax(-1)
        out: Tensor = self.to_out(weights @ values)
        return out


class Resampler(nn.Module):
    """512 numbers to 16 tokens, with the authors' names of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(1, TOKENS, WIDTH))
        self.proj_in, self.proj_out = nn.Linear(NUMBERS, WIDTH), nn.Linear(WIDTH, OUT)
        self.norm_out = nn.LayerNorm(OUT)
        blocks = [nn.ModuleList([Perceiver(), _forward_part()]) for _ in range(4)]
        self.layers = nn.ModuleList(blocks)

    def forward(self, faces: Tensor) -> Tensor:
        queries, face = self.latents.repeat(len(faces), 1, 1), self.proj_in(faces)[:, None]
        for attention, part in self.layers:  # type: ignore[misc]
            queries = attention(face, queries) + queries
            queries = part(queries) + queries
        tokens: Tensor = self.norm_out(self.proj_out(queries))
        return tokens


def _forward_part() -> nn.Module:
    wide = 4 * WIDTH
    layers = nn.Linear(WIDTH, wide, bias=False), nn.GELU(), nn.Linear(wide, WIDTH, bias=False)
    return nn.Sequential(nn.LayerNorm(WIDTH), *layers)


def checkpoint(folder: Path) -> Card:
    """Save the card's classes, tiny and random, and give the card that names them."""
    card = load_cards()["instantid"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tiny_pipelines._sdxl(folder, card.model_copy(update={"parts": {}}))
        xl = load_cards()["controlnet-canny-sdxl"]
        tiny_adapters.controlnet(folder / "identity" / "ControlNetModel", xl)
        resampler = Resampler()
        resampler.proj_in.weight.data *= 5  # else one face would do as well as another
        weights = {"image_proj": resampler.state_dict(), "ip_adapter": _keys_and_values()}
        torch.save(weights, folder / "ip-adapter.bin")
    local: dict[str, Any] = {"repo": "", "revision": "", "variant": ""}
    paths = {"identity_net": folder / "identity", "face_adapter": folder}
    parts = {
        name: part.model_copy(update={**local, "path": str(paths[name])})
        for name, part in card.parts.items()
    }
    changes = {"path": str(folder), "gpu": False, "dtype": "float32", "parts": parts, **local}
    return card.model_copy(update={**changes, "height": tiny.SIZE, "width": tiny.SIZE})


def _keys_and_values() -> dict[str, Tensor]:
    """Those of every cross-attention, numbered as the authors' list of all processors has them."""
    found, unet = {}, tiny_networks.unet(**tiny_networks.XL_UNET)
    for number, name in enumerate(unet.attn_processors):
        if "attn2" in name:
            width = tiny_networks.WIDTHS["mid_block" in name]
            for key in ("to_k_ip", "to_v_ip"):
                found[f"{number}.{key}.weight"] = torch.randn(width, OUT) / 4
    return found


IMAGES, FACES = ("1" * 64, "2" * 64), ("3" * 64, "4" * 64)


def condition_images() -> dict[str, Image.Image]:
    """Two images of keypoints, two faces."""
    found = {k: v for k, v in native_calls.condition_images().items() if k in IMAGES}
    for seed, key in enumerate(FACES):
        numbers = np.random.default_rng(seed).normal(size=(1, NUMBERS)).astype(np.float32)
        found[key] = Image.fromarray(numbers)
    return found


def cells(order: tuple[int, ...] = (0, 1, 2, 3)) -> Batch:
    """Four cells in an order."""
    prompts = [
        Prompt(text, image=IMAGES[index % 2], mask=FACES[index // 2])
        for index, text in enumerate(tiny.PROMPTS)
    ]
    seeds = tuple(tiny.SEEDS[i] for i in order)
    return Batch(tuple(prompts[i] for i in order), seeds, condition_images())
