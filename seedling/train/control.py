"""Train `seedling-control`: `python -m seedling.train.control --minutes 20`.

A ControlNet (Zhang et al. 2023, arXiv:2302.05543, section 3) is a copy of the seedling's encoder
half. It receives the outline of the object's mask, white on black, 64 x 64, and feeds the frozen
seedling through convolutions that start at 0, so at first it changes nothing. The prompts are those
of the seedling's training; more of them are empty, so that it learns to use the outline (section
3.4).
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import ControlNetModel
from torch import Tensor
from torch.nn import functional

from seedling.files import WEIGHTS
from seedling.learning.batches import draw_prompts
from seedling.learning.conditions import control_images, outlines
from seedling.learning.fitting import Rows, Settings, fit, joined, settings_of
from seedling.learning.noise_loss import noise_loss
from seedling.learning.pool import fresh_scenes, labels_of
from seedling.learning.relatives import Base, load_base, make_once, new_parser, publish
from seedling.randomness import happens

NAME = "seedling-control"
EMBEDDING = (16, 32, 64, 96)
"""Widths of the layers that scale the outline from 64 x 64 to the latents' 8 x 8."""
SILENT_RATE = 0.3
"""Share of prompts that are emptied in addition to those of the seedling's training."""


def new_controlnet(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Make a ControlNet that starts as a copy of a noise predictor's encoder half.

    diffusers' `from_unet` leaves the number of heads that pool the text at its default. The same
    weights fit but compute something else, so the noise predictor's number is set here.

    Args:
        unet: The noise predictor.

    Returns:
        The ControlNet; its output convolutions are 0.
    """
    copied = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    heads = unet.config.addition_embed_type_num_heads
    network = ControlNetModel.from_config(copied.config, addition_embed_type_num_heads=heads)
    network.load_state_dict(copied.state_dict())
    return network


def make_scenes(base: Base, count: int, seed: int) -> Rows:
    """Draw scenes with their objects' outlines.

    Args:
        base: The seedling that encodes them.
        count: Number of scenes.
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


def training_prompts(parts: Tensor, *, generator: torch.Generator) -> list[str]:
    """Draw prompts of scenes, some of them empty."""
    sentences = draw_prompts(parts, generator=generator)
    silent = happens(len(sentences), SILENT_RATE, generator=generator).tolist()
    return ["" if is_silent else text for text, is_silent in zip(sentences, silent, strict=True)]


def control_loss(
    base: Base,
    controlnet: Any,  # noqa: ANN401 - diffusers is untyped
    scenes: Rows,
    generator: torch.Generator,
) -> Tensor:
    """The seedling's loss when the ControlNet steers it.

    Args:
        base: The seedling, frozen.
        controlnet: The network that is trained.
        scenes: A batch of `make_scenes`.
        generator: The source of prompts, noise and times.

    Returns:
        A scalar.
    """
    images = control_images(scenes["edges"])

    def predict(noisy: Tensor, steps: Tensor, *, encoder_hidden_states: Tensor) -> Any:  # noqa: ANN401
        down, mid = controlnet(
            noisy,
            steps,
            encoder_hidden_states=encoder_hidden_states,
            controlnet_cond=images,
            return_dict=False,
        )
        return base.networks.unet(
            noisy,
            steps,
            encoder_hidden_states=encoder_hidden_states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
        )

    prompts = training_prompts(scenes["parts"], generator=generator)
    networks = replace(base.networks, unet=predict)
    latents, cover = scenes["latents"].float(), scenes["cover"].float()
    return noise_loss(networks, latents, cover, prompts, generator=generator)


def train(base: Base, settings: Settings) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Train the ControlNet, or resume an interrupted training.

    Args:
        base: The seedling; it is not changed.
        settings: Settings of the training.

    Returns:
        The ControlNet with its moving average as weights.
    """
    scenes, name = make_once(base, NAME, make_scenes, settings), base.name_with_hash(NAME)
    network = new_controlnet(base.networks.unet)
    return fit(name, network, scenes, partial(control_loss, base, network), settings)


def main() -> None:
    """Run from the command line."""
    options = new_parser(__doc__, minutes=20.0, rate=4e-3, count=24_000).parse_args()
    network = train(load_base(options.base), settings_of(options))
    publish({"controlnet": network}, options.out or WEIGHTS / NAME)


if __name__ == "__main__":
    main()
