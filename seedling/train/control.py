"""Train `seedling-control`: `python -m seedling.train.control --minutes 20`.

A ControlNet (Zhang et al. 2023, arXiv:2302.05543, section 3): a copy of the seedling's encoder
half that sees the outline of the object's mask, white on black, 64 x 64, and speaks to the frozen
seedling through convolutions that start at 0, so at first it changes nothing. The prompts are the
seedling's own; some are empty, so that it learns to read the outline as well (section 3.4).
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import ControlNetModel
from torch import Tensor
from torch.nn import functional

from seedling.learning.batches import draw_prompts
from seedling.learning.conditions import control_pictures, outlines
from seedling.learning.noise_loss import noise_loss
from seedling.learning.pool import fresh_scenes, labels_of
from seedling.learning.relatives import (
    Base,
    Rows,
    Settings,
    fit,
    joined,
    load_base,
    make_once,
    new_parser,
    publish,
    settings_of,
)
from seedling.networks.model import WEIGHTS
from seedling.randomness import happens

NAME = "seedling-control"
EMBEDDING = (16, 32, 64, 96)
"""Widths of the layers that bring the outline from 64 x 64 to the latents' 8 x 8."""
SILENT_RATE = 0.3
"""Share of prompts emptied beside those of the seedling's own training."""


def new_controlnet(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Make a ControlNet that starts as a copy of a noise predictor's encoder half.

    diffusers' `from_unet` leaves the number of heads that pool the text at its default, which fits
    the same weights and computes something else; here it is the noise predictor's.

    Args:
        unet: The noise predictor.

    Returns:
        The ControlNet, its outgoing convolutions 0.
    """
    copied = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    heads = unet.config.addition_embed_type_num_heads
    network = ControlNetModel.from_config(copied.config, addition_embed_type_num_heads=heads)
    network.load_state_dict(copied.state_dict())
    return network


def make_scenes(base: Base, count: int, seed: int) -> Rows:
    """Draw scenes with their objects' outlines.

    Args:
        base: Whose latents they are in.
        count: How many.
        seed: Seed of the scenes.

    Returns:
        `latents`, float16 (N, 16, 8, 8); `cover`, float16 (N, 8, 8), the share of each latent's
        pixels that the object covers; `edges`, bool (N, 64, 64); `parts`, int64 (N, 4).
    """
    return joined(
        {
            "latents": base.encode(scenes.images),
            "cover": functional.avg_pool2d(scenes.masks.float(), 8).half(),
            "edges": outlines(scenes.masks),
            "parts": labels_of(scenes.specs)[:, :4].long(),
        }
        for scenes in fresh_scenes(count, seed)
    )


def ask(parts: Tensor, *, generator: torch.Generator) -> list[str]:
    """Prompts of scenes, some of them empty."""
    said = draw_prompts(parts, generator=generator)
    silent = happens(len(said), SILENT_RATE, generator=generator).tolist()
    return ["" if is_silent else text for text, is_silent in zip(said, silent, strict=True)]


def control_loss(
    base: Base,
    controlnet: Any,  # noqa: ANN401 - diffusers is untyped
    scenes: Rows,
    generator: torch.Generator,
) -> Tensor:
    """The seedling's own loss, with the ControlNet speaking to it.

    Args:
        base: The seedling, frozen.
        controlnet: What is trained.
        scenes: A batch of `make_scenes`.
        generator: The source of prompts, noise and times.

    Returns:
        A scalar.
    """
    pictures = control_pictures(scenes["edges"])

    def predict(noisy: Tensor, steps: Tensor, *, encoder_hidden_states: Tensor) -> Any:  # noqa: ANN401
        down, mid = controlnet(
            noisy,
            steps,
            encoder_hidden_states=encoder_hidden_states,
            controlnet_cond=pictures,
            return_dict=False,
        )
        return base.networks.unet(
            noisy,
            steps,
            encoder_hidden_states=encoder_hidden_states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
        )

    prompts = ask(scenes["parts"], generator=generator)
    networks = replace(base.networks, unet=predict)
    latents, cover = scenes["latents"].float(), scenes["cover"].float()
    return noise_loss(networks, latents, cover, prompts, generator=generator)


def train(base: Base, settings: Settings) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Train the ControlNet, or go on with a training that was cut off.

    Args:
        base: The seedling; it stays as it is.
        settings: How.

    Returns:
        The ControlNet with its moving average in place.
    """
    scenes, name = make_once(base, NAME, make_scenes, settings), base.own_name(NAME)
    network = new_controlnet(base.networks.unet)
    return fit(name, network, scenes, partial(control_loss, base, network), settings)


def main() -> None:
    """Run from the command line."""
    chosen = new_parser(__doc__, minutes=20.0, rate=4e-3, count=24_000).parse_args()
    network = train(load_base(chosen.base), settings_of(chosen))
    publish({"controlnet": network}, chosen.out or WEIGHTS / NAME)


if __name__ == "__main__":
    main()
