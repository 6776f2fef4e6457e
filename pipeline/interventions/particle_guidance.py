"""Particle Guidance: the images of a group are pushed apart while they are drawn.

This is the variant on latents, in groups of four images of one prompt. With d_ij = x_i - x_j over
the other images of the group, h_i = median_j |d_ij|^2 / ln(3) and k_ij = exp(-|d_ij|^2 / h_i), the
predicted noise of image i becomes

    eps_i  <-  eps_i - coefficient * sigma_t * sum_j 2 k_ij d_ij / h_i,

with sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t), after classifier-free guidance.

There are two variants. "as_coded" follows the authors' program, which changes nothing where
sigma_t < 1 (below time step 354 of Stable Diffusion's schedule). "as_written" applies the formula
at every step. In both, `guidance_scale` has its usual meaning; the authors' program uses that name
for a number that is smaller by 1 (their w = 8 is 9 here). Their loop over `timesteps[:-1]` takes
every step, because their scheduler appends a 0 to the time steps.

Corso, Xu, De Bortoli, Barzilay & Jaakkola 2024, "Particle Guidance: non-I.I.D. Diverse Sampling
with Diffusion Models", arXiv:2310.13102; gcorso/particle-guidance, `pipeline_stable_diffusion_
particle.py`. Both variants use the bandwidth of their program (without the image itself, and with
ln(n - 1)). Tested with random weights and with the seedlings only.

Version 1 of this intervention left out the last time step in "as_coded".
"""

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention, number, refuse_video

if TYPE_CHECKING:
    import torch

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig

COEFFICIENT = 30.0
"""The authors' value in their demonstration on latents: SD 1.5, DDIM, 30 steps, their w = 8."""
SMALLEST_SIGMA = 1.0
"""Below this value, the authors' program does not guide."""
VARIANTS = ("as_coded", "as_written")
SCHEDULERS = ("DDIMScheduler", "DDPMScheduler")
"""Samplers whose latents are sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise, step by step."""


class ParticleGuidance(Intervention):
    """Draws four images of a prompt together and pushes them apart.

    Args:
        parameters: `variant` ("as_coded", the default, or "as_written") and `coefficient` (0 or
            more, by default 30).

    Raises:
        ValueError: If a parameter is unknown or out of range.
    """

    code_version: ClassVar[int] = 2
    known: ClassVar[tuple[str, ...]] = ("variant", "coefficient")
    neutral: ClassVar[dict[str, object]] = {"variant": "as_written", "coefficient": 0}
    group_size: ClassVar[int] = 4

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.variant = parameters.get("variant", VARIANTS[0])
        if self.variant not in VARIANTS:
            raise ValueError(f"variant is {self.variant!r}; wanted {' or '.join(VARIANTS)}")
        coefficient = parameters.get("coefficient", COEFFICIENT)
        self.coefficient = number("coefficient", coefficient, low=0)

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse samplers for which the formula does not hold, and videos.

        Raises:
            ModelError: If the scheduler is another one, if the network does not predict the noise
                alone, or if the card draws videos.
        """
        refuse_video("particle_guidance", card, "its frames would be taken for a group's images")
        name = type(pipe.scheduler).__name__
        predicts = pipe.scheduler.config.get("prediction_type", "epsilon")
        if name not in SCHEDULERS or predicts != "epsilon":
            raise ModelError(
                f"particle_guidance changes the predicted noise under {' or '.join(SCHEDULERS)}; "
                f"card {card.name} runs {name} and predicts {predicts}"
            )
        variance = str(pipe.scheduler.config.get("variance_type", ""))
        if variance.startswith("learned"):
            raise ModelError(
                f"card {card.name} has a variance_type of {variance}: its network gives noise and "
                f"variance together, and particle_guidance changes predicted noise only; take a "
                f"card whose variance is fixed"
            )

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Insert the push between the network and the sampler's step."""
        scheduler = pipe.scheduler
        step = scheduler.step

        @functools.wraps(step)  # the pipeline reads the arguments of a step from its signature
        def pushed(
            model_output: "torch.Tensor",
            timestep: "torch.Tensor",
            sample: "torch.Tensor",
            *,
            return_dict: bool = True,
            **options: Any,  # noqa: ANN401 - handed on to diffusers' own step
        ) -> Any:  # noqa: ANN401 - as the step's
            alpha_bar = float(scheduler.alphas_cumprod[int(timestep)])
            sigma = math.sqrt((1 - alpha_bar) / alpha_bar)
            too_late = self.variant == "as_coded" and sigma < SMALLEST_SIGMA
            if self.coefficient and not too_late:
                away = push(sample, size=self.group_size) * (sigma * self.coefficient)
                model_output = model_output - away.to(model_output.dtype)
            return step(model_output, timestep, sample, return_dict=return_dict, **options)

        scheduler.step = pushed
        return pipe

    def starting_noise(self, noise: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Refuse a batch that does not consist of whole groups.

        Raises:
            ModelError: If the size of the batch or the prompts in a group do not fit.
        """
        size, count = self.group_size, len(batch.seeds)
        groups = [batch.prompts[start : start + size] for start in range(0, count, size)]
        if count % size or any(len({prompt.id for prompt in group}) > 1 for group in groups):
            raise ModelError(
                f"particle_guidance draws groups of {size} images of one prompt; this batch of "
                f"{count} does not consist of such groups"
            )
        return noise

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Remove the push."""
        del pipe.scheduler.step


def push(latents: "torch.Tensor", *, size: int) -> "torch.Tensor":
    """Compute how each image is pushed away from the others of its group.

    Args:
        latents: (B, C, h, w), B a multiple of `size`.
        size: Images in a group, at least 3.

    Returns:
        (B, C, h, w) float32: sum over j of 2 k_ij d_ij / h_i. Equal images give 0, where the
        formula is 0 / 0.

    Example:
        >>> import torch
        >>> x = torch.tensor([0.0, 1.0, 2.0, 4.0]).reshape(4, 1, 1, 1)
        >>> away = push(x, size=4).flatten()
        >>> bool(away[0] < 0), bool(away[3] > 0)
        (True, True)
    """
    import torch  # not needed by a plan, which only asks for the size of a group

    x = latents.float().reshape(-1, size, latents[0].numel())  # (groups, size, D)
    others = ~torch.eye(size, dtype=torch.bool, device=x.device)
    d = (x[:, :, None] - x[:, None])[:, others].view(len(x), size, size - 1, -1)
    distance = d.norm(dim=-1, keepdim=True)  # (groups, size, size - 1, 1)
    h = distance.median(dim=2, keepdim=True).values ** 2 / math.log(size - 1)
    away = (2 * torch.exp(-(distance**2) / h) * d / h).sum(2)
    away = torch.where(h[:, :, 0] > 0, away, torch.zeros_like(away))
    return away.reshape(latents.shape)
