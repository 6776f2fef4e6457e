"""Fine-tune the seedling with offset noise: `python -m seedling.train_offset_noise --minutes 10`.

Writes only what changed in the UNet, which `pipeline/interventions/offset_noise.py` adds again.
"""

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from seedling.command_line import training_parser
from seedling.model import VARIANTS, WEIGHTS
from seedling.pool import Pool
from seedling.randomness import make_generator
from seedling.relatives import BASE, load_base
from seedling.train_text_to_image import (
    Networks,
    draw_batch,
    load_vae,
    noise_loss,
    pool_scale,
    training_pool,
)
from seedling.training import CHECKPOINTS, Budget, Loop, say

EXTREMES = VARIANTS["seedling"].extremes
"""Share of extreme scenes, as in the training that this one goes on with."""
PUBLISHED = 0.1
"""The strength of the method's author, for Stable Diffusion's 64 x 64 latents."""


def equal_strength(height: int, width: int, *, strength: float = PUBLISHED) -> float:
    """The strength that means the same on latents of another size.

    The mean of h x w independent numbers has the standard deviation 1 / sqrt(h w); what counts
    is how far the offset exceeds it, so the strength grows as the latents shrink.

    Args:
        height: Height of the latents.
        width: Width of the latents.
        strength: Strength at 64 x 64.

    Example:
        >>> equal_strength(64, 64), equal_strength(8, 8)
        (0.1, 0.8)
    """
    return strength * 64 / math.sqrt(height * width)


def train(
    networks: Networks,
    pool: Pool,
    *,
    strength: float,
    budget: Budget,
    seed: int = 11,
    batch: int = 64,
    folder: Path = CHECKPOINTS,
    name: str = "offset_noise",
) -> dict[str, Tensor]:
    """Fine-tune the UNet, or go on with a training that was cut off.

    Args:
        networks: A trained model; its UNet is changed.
        pool: Encoded scenes.
        strength: Of the offset noise; 0 is the control, the same training without it.
        budget: How long, and the learning rate.
        seed: Seed of prompts and noise.
        batch: Latents a step.
        folder: Where the checkpoint goes.
        name: Of the checkpoint, before the strength.

    Returns:
        Weight of the UNet -> its change, float16.
    """
    before = {name: value.detach().clone() for name, value in networks.unet.state_dict().items()}
    networks.unet.requires_grad_(requires_grad=True)
    networks.text_encoder.requires_grad_(requires_grad=False)
    generator, scale = make_generator(seed), pool_scale(pool)
    modules: dict[str, torch.nn.Module] = {"unet": networks.unet}
    loop = Loop(
        f"{name}_{strength:g}", modules, budget, generator, folder=folder, averaged=("unet",)
    )
    while loop.running():
        latents, cover, prompts = draw_batch(
            pool, scale, batch, generator=generator, extremes=EXTREMES
        )
        loop.step(
            noise_loss(networks, latents, cover, prompts, generator=generator, offset=strength)
        )
    loop.finish()
    loop.use_averages()
    after = networks.unet.state_dict()
    return {name: (after[name] - value).half() for name, value in before.items()}


def main() -> None:
    """Run from the command line."""
    out = WEIGHTS / "offset-noise.safetensors"
    parser = training_parser(__doc__, minutes=10.0, rate=2e-4, out=out)
    parser.add_argument("--strength", type=float, default=equal_strength(8, 8))
    parser.add_argument("--model", type=Path, default=BASE)
    chosen = parser.parse_args()
    base = load_base(chosen.model)
    changes = train(
        base.networks,
        training_pool(load_vae(chosen.folder), chosen.folder),
        strength=chosen.strength,
        budget=Budget(chosen.minutes, chosen.rate),
        folder=chosen.folder,
        name=base.own_name("offset_noise"),
    )
    save_file(changes, chosen.out, metadata={"format": "pt"})
    say(f"wrote {chosen.out}, trained with offset noise {chosen.strength:g}")


if __name__ == "__main__":
    main()
