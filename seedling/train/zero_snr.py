"""Train `seedling-zero-snr`: `python -m seedling.train.zero_snr --minutes 30`.

The seedling's schedule never quite loses the picture, and drawing begins where it is lost, so the
noise is taken for a grey picture's. Here the betas are rescaled until the last step holds noise
alone, and the network says v = alpha noise - sigma picture instead of the noise, of which nothing
can be learned there (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are
Flawed", arXiv:2305.08891, sections 3.1 and 3.2). It is what `pipeline/interventions/zero_snr.py`
draws with, whose schedule, that of diffusers, is the one trained on.

The training begins with the seedling's weights: where there is little noise v is the noise, which
they say already; where there is much it is the picture, which they must learn to say. The whole
network is published: a difference in fp16 would have as many bytes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from seedling.learning.batches import draw_batch
from seedling.learning.command_line import training_parser
from seedling.learning.loop import CHECKPOINTS, Budget, Loop
from seedling.learning.noise_loss import MAX_SNR, picture_errors, spread_steps
from seedling.learning.pool import Pool
from seedling.learning.relatives import BASE, Base, load_base, publish
from seedling.learning.trained import load_vae, training_pool
from seedling.networks.model import VARIANTS
from seedling.networks.text_to_image import Networks
from seedling.networks.tokenizer import token_ids
from seedling.randomness import make_generator

NAME = "seedling-zero-snr"
EXTREMES = VARIANTS["seedling"].extremes
"""Share of extreme scenes, as in the training that this one goes on with."""


def new_scheduler(scheduler: DDIMScheduler) -> DDIMScheduler:
    """The schedule that ends in noise alone, visited at its end, for a network that says v.

    Args:
        scheduler: The seedling's.

    Returns:
        One whose last alpha_bar is 0; "leading" time steps would begin before it.
    """
    changed: DDIMScheduler = DDIMScheduler.from_config(
        scheduler.config,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    return changed


def velocity_weights(scheduler: DDIMScheduler) -> Tensor:
    """Weight of each step's error of v, float32 (1000,): min(SNR + 1, 5) / (SNR + 1).

    The error of v is that of the picture, SNR + 1 times (Hang et al. 2023, arXiv:2303.09556,
    section 3.4). Their min(SNR, 5) / (SNR + 1) would be 0 at the very step that is to be learned,
    so the limit is set to SNR + 1, as diffusers' training scripts have it.
    """
    more: Tensor = 1 / (1 - scheduler.alphas_cumprod)
    return more.clamp_max(MAX_SNR) / more


def velocity_loss(
    networks: Networks,
    latents: Tensor,
    cover: Tensor,
    prompts: list[str],
    *,
    generator: torch.Generator,
) -> Tensor:
    """Weighted squared error of the predicted v, where the object weighs more.

    At the last step the input is the noise and v is minus the picture, both exactly.

    Args:
        networks: What is trained, with the schedule of `new_scheduler`.
        latents: float32 (B, 16, 8, 8), scaled to unit variance.
        cover: float32 (B, 8, 8), how much of each latent the object covers, in 0..1.
        prompts: B sentences.
        generator: The source of noise and times.

    Returns:
        A scalar.
    """
    noise = torch.randn(latents.shape, generator=generator)
    steps, scheduler = spread_steps(len(latents), generator=generator), networks.scheduler
    states = networks.text_encoder(token_ids(networks.tokenizer, prompts)).last_hidden_state
    noisy = scheduler.add_noise(latents, noise, steps)
    predicted = networks.unet(noisy, steps, encoder_hidden_states=states).sample
    errors = picture_errors(predicted - scheduler.get_velocity(latents, noise, steps), cover)
    weights = velocity_weights(scheduler)
    loss: Tensor = (weights[steps] * errors).mean() / weights.mean()
    return loss


def train(
    base: Base,
    pool: Pool,
    *,
    budget: Budget,
    seed: int = 11,
    batch: int = 64,
    folder: Path = CHECKPOINTS,
) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Fine-tune a copy of the noise predictor, or go on with a training that was cut off.

    Args:
        base: The seedling; it stays as it is.
        pool: Encoded scenes; a share of the batches is drawn among the extreme ones, as for
            offset noise.
        budget: How long, and the learning rate.
        seed: Seed of prompts and noise.
        batch: Latents a step.
        folder: Where the checkpoint goes.

    Returns:
        The network, which says v, with its moving average in place.
    """
    generator, networks = make_generator(seed), _own(base)
    modules: dict[str, torch.nn.Module] = {"network": networks.unet}
    loop = Loop(base.own_name(NAME), modules, budget, generator, folder, ("network",), muon=True)
    while loop.running():
        drawn = draw_batch(pool, base.scale, batch, generator=generator, extremes=EXTREMES)
        loop.step(velocity_loss(networks, *drawn, generator=generator))
    loop.finish()
    loop.use_averages()
    return networks.unet


def _own(base: Base) -> Networks:
    """The seedling's networks, the predictor a copy that learns, on the new schedule."""
    unet = UNet2DConditionModel.from_config(base.networks.unet.config)
    unet.load_state_dict(base.networks.unet.state_dict())
    scheduler = new_scheduler(base.networks.scheduler)
    return replace(base.networks, unet=unet, scheduler=scheduler)


def main() -> None:
    """Run from the command line."""
    parser = training_parser(__doc__, minutes=30.0, rate=4e-3, out=CHECKPOINTS / NAME)
    parser.add_argument("--base", type=Path, default=BASE, help="the seedling it starts from")
    chosen = parser.parse_args()
    base = load_base(chosen.base)
    pool = training_pool(load_vae(chosen.folder), chosen.folder)
    budget = Budget(chosen.minutes, chosen.rate)
    unet = train(base, pool, budget=budget, folder=chosen.folder)
    parts = {"unet": unet, "scheduler": new_scheduler(base.networks.scheduler)}
    publish(parts, chosen.out)


if __name__ == "__main__":
    main()
