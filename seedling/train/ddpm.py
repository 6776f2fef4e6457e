"""Train a diffusion model of pixels: `python -m seedling.train.ddpm --minutes 60`.

The model draws scenes of the small world, 32 x 32 pixels, without a prompt: which scene it draws is
decided by the noise alone. Both models have the same network and the same images.

`seedling-ddpm` has linear betas from 0.0001 to 0.02 and a fixed variance (DDPM: Ho et al. 2020,
arXiv:2006.11239, section 4). `seedling-improved-ddpm` has the cosine schedule and predicts the
variance too (Nichol & Dhariwal 2021, arXiv:2102.09672, sections 3.1 and 3.2).
"""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from torch import Tensor
from torch.nn import functional

from seedling.files import say, whole_folder
from seedling.learning.fitting import (
    Rows,
    Settings,
    fit,
    joined,
    load_or_make,
    settings_of,
    settings_parser,
)
from seedling.learning.pixel_loss import pixel_loss
from seedling.learning.pool import fresh_scenes
from seedling.networks.model import to_vae_range

SIDE = 32
"""Width and height of the images, half of a scene's."""
CHANNELS = (16, 32, 64, 96)
"""Widths of the levels, from 32 x 32 to 4 x 4. Most of the time is spent at 32 x 32."""
MODELS: dict[str, dict[str, str]] = {
    "seedling-ddpm": {"beta_schedule": "linear", "variance_type": "fixed_small"},
    "seedling-improved-ddpm": {
        "beta_schedule": "squaredcos_cap_v2",
        "variance_type": "learned_range",
    },
}
"""Model -> settings of its schedule."""


def new_scheduler(name: str) -> DDPMScheduler:
    """Make the schedule of a model, a key of `MODELS`."""
    return DDPMScheduler(num_train_timesteps=1000, **MODELS[name])


def new_network(name: str, channels: tuple[int, ...] = CHANNELS) -> UNet2DModel:
    """Make an untrained predictor of the noise, and of the variance if the model learns it.

    Args:
        name: A key of `MODELS`.
        channels: Widths of the four levels: multiples of 4, and the last two of 16 or more, which
            is the width of a head of attention.

    Returns:
        The network in fp32; initial weights come from torch's global stream.
    """
    learned = MODELS[name]["variance_type"] == "learned_range"
    return UNet2DModel(
        sample_size=SIDE,
        in_channels=3,
        out_channels=6 if learned else 3,
        block_out_channels=channels,
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=16,
        down_block_types=("DownBlock2D",) * 2 + ("AttnDownBlock2D",) * 2,
        up_block_types=("AttnUpBlock2D",) * 2 + ("UpBlock2D",) * 2,
    )


def halved(images: Tensor) -> Tensor:
    """Halve the width and height of images: the means of 2 x 2 pixels."""
    return functional.avg_pool2d(images, 2)


def small_scenes(count: int, seed: int) -> Rows:
    """Draw scenes at half their size.

    Args:
        count: Number of scenes.
        seed: Seed of the scenes.

    Returns:
        `images`, uint8 (N, 3, 32, 32).
    """
    return joined(
        {"images": (halved(scenes.images) * 255).round().byte()}
        for scenes in fresh_scenes(count, seed)
    )


def rows_loss(
    network: Any,  # noqa: ANN401 - diffusers is untyped
    scheduler: DDPMScheduler,
    rows: Rows,
    generator: torch.Generator,
) -> Tensor:
    """Compute `pixel_loss` of a batch of `small_scenes`, a scalar."""
    pixels = to_vae_range(rows["images"].float() / 255)
    return pixel_loss(network, scheduler, pixels, generator=generator)


def train(name: str, settings: Settings, channels: tuple[int, ...] = CHANNELS) -> UNet2DModel:
    """Train a model, or resume an interrupted training.

    Args:
        name: A key of `MODELS`.
        settings: Settings of the training.
        channels: Widths of the network's levels.

    Returns:
        The network with its moving average as weights.
    """
    path = settings.folder / f"scenes-{SIDE}-{settings.count}-{settings.seed}.safetensors"
    rows = load_or_make(path, lambda: small_scenes(settings.count, settings.seed))
    network = new_network(name, channels)
    loss = partial(rows_loss, network, new_scheduler(name))
    trained: UNet2DModel = fit(name, network, rows, loss, settings)
    return trained


def publish(network: UNet2DModel, name: str, folder: Path) -> None:
    """Write the model in diffusers' layout, in fp16.

    Args:
        network: The trained network.
        name: A key of `MODELS`.
        folder: Target folder; an earlier model is replaced once the new one is complete.
    """
    pipe = DDPMPipeline(unet=copy.deepcopy(network).half(), scheduler=new_scheduler(name))
    with whole_folder(folder) as aside:
        pipe.save_pretrained(aside)
    say(f"wrote {folder}")


def main() -> None:
    """Run from the command line."""
    parser = settings_parser(__doc__, minutes=60.0, rate=4e-3, count=48_000)
    parser.add_argument("--model", choices=MODELS, default="seedling-ddpm")
    options = parser.parse_args()
    network = train(options.model, settings_of(options))
    publish(network, options.model, options.out or options.folder / options.model)


if __name__ == "__main__":
    main()
