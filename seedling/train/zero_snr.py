"""Train `seedling-zero-snr`: `python -m seedling.train.zero_snr --minutes 30`.

The seedling's last training step still contains some of the image, but drawing starts from pure
noise, which the model takes for a noised grey image. Here the betas are rescaled so that the last
step is pure noise. The network predicts v = alpha noise - sigma image instead of the noise, because
predicting the noise teaches nothing at that step (Lin et al. 2024, "Common Diffusion Noise
Schedules and Sample Steps are Flawed", arXiv:2305.08891, sections 3.1 and 3.2). The intervention
`pipeline/interventions/zero_snr.py` draws with these weights and with the schedule they are trained
on, which is that of diffusers.

The training starts from the seedling's weights. At low noise v is the noise, which they already
predict; at high noise v is minus the image, which they must learn. The whole network is published,
because a difference in fp16 would need as many bytes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from seedling.files import CHECKPOINTS
from seedling.learning.batches import draw_batch
from seedling.learning.command_line import training_parser
from seedling.learning.loop import Budget, Loop
from seedling.learning.noise_loss import MAX_SNR, image_errors, spread_steps
from seedling.learning.pool import Pool
from seedling.learning.relatives import BASE, Base, load_base, publish
from seedling.learning.trained import load_vae, training_pool
from seedling.networks.model import VARIANTS
from seedling.networks.text_to_image import Networks
from seedling.networks.tokenizer import token_ids
from seedling.randomness import make_generator

NAME = "seedling-zero-snr"
EXTREME_SHARE = VARIANTS["seedling"].extreme_share
"""Share of extreme scenes, as in the seedling's training."""


def new_scheduler(scheduler: DDIMScheduler) -> DDIMScheduler:
    """Make a schedule that ends in pure noise and starts drawing there, for v-prediction.

    Args:
        scheduler: The seedling's.

    Returns:
        A schedule whose last alpha_bar is 0. Its time steps are "trailing", because "leading" ones
        would start before the last.
    """
    changed: DDIMScheduler = DDIMScheduler.from_config(
        scheduler.config,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    return changed


def velocity_weights(scheduler: DDIMScheduler) -> Tensor:
    """Compute the weight of each step's error of v, float32 (1000,): min(SNR + 1, 5) / (SNR + 1).

    The error of v is SNR + 1 times the error of the image (Hang et al. 2023, arXiv:2303.09556,
    section 3.4). Their weight min(SNR, 5) / (SNR + 1) would be 0 at exactly the step to be learned,
    so SNR + 1 is limited instead, as in diffusers' training scripts.
    """
    ratio: Tensor = 1 / (1 - scheduler.alphas_cumprod)
    return ratio.clamp_max(MAX_SNR) / ratio


def velocity_loss(
    networks: Networks,
    latents: Tensor,
    cover: Tensor,
    prompts: list[str],
    *,
    generator: torch.Generator,
) -> Tensor:
    """Weighted squared error of the predicted v; the object weighs more.

    At the last step the input is exactly the noise, and v is exactly minus the image.

    Args:
        networks: The networks that are trained, with the schedule of `new_scheduler`.
        latents: float32 (B, 16, 8, 8), scaled to unit variance.
        cover: float32 (B, 8, 8), the share of each latent that the object covers, in 0..1.
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
    errors = image_errors(predicted - scheduler.get_velocity(latents, noise, steps), cover)
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
    """Fine-tune a copy of the noise predictor, or resume an interrupted training.

    Args:
        base: The seedling; it is not changed.
        pool: Encoded scenes; a share of each batch is drawn from the extreme scenes only, as for
            offset noise.
        budget: How long, and the learning rate.
        seed: Seed of prompts and noise.
        batch: Latents per step.
        folder: Folder of the checkpoint.

    Returns:
        The network, which predicts v, with its moving average as weights.
    """
    generator, networks = make_generator(seed), _trainable(base)
    modules: dict[str, torch.nn.Module] = {"network": networks.unet}
    loop = Loop(
        base.name_with_hash(NAME), modules, budget, generator, folder, ("network",), muon=True
    )
    while loop.running():
        rows = draw_batch(pool, base.scale, batch, generator=generator, extreme_share=EXTREME_SHARE)
        loop.step(velocity_loss(networks, *rows, generator=generator))
    loop.finish()
    loop.use_averages()
    return networks.unet


def _trainable(base: Base) -> Networks:
    """The seedling's networks with a trainable copy of the predictor and the new schedule."""
    unet = UNet2DConditionModel.from_config(base.networks.unet.config)
    unet.load_state_dict(base.networks.unet.state_dict())
    scheduler = new_scheduler(base.networks.scheduler)
    return replace(base.networks, unet=unet, scheduler=scheduler)


def main() -> None:
    """Run from the command line."""
    parser = training_parser(__doc__, minutes=30.0, rate=4e-3, out=CHECKPOINTS / NAME)
    parser.add_argument("--base", type=Path, default=BASE, help="seedling to start from")
    options = parser.parse_args()
    base = load_base(options.base)
    pool = training_pool(load_vae(options.folder), options.folder)
    budget = Budget(options.minutes, options.rate, steps=options.steps)
    unet = train(base, pool, budget=budget, folder=options.folder)
    parts = {"unet": unet, "scheduler": new_scheduler(base.networks.scheduler)}
    publish(parts, options.out)


if __name__ == "__main__":
    main()
