"""Steps random latents with a scheduler, in place of a network's images."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers
import torch

from pipeline.noise import draw_noise

SHAPE = (3, 8, 8)
"""Shape of the latents: a scheduler treats all numbers alike, except that some expect colours."""

SEEDS = (0, 1)

CONTROL_STEPS = 10
"""Steps with which the checkpoint's own scheduler is rehearsed."""


@dataclass(frozen=True)
class Schedule:
    """What a rehearsal needs to know of a run.

    Attributes:
        scheduler: Diffusers scheduler class.
        config: Settings that override the checkpoint's own.
        steps: Number of steps.
        eta: DDIM's eta.
        passes_generators: Whether the pipeline passes the generators of the seeds to the scheduler.
        noise: Short name of the noise spec.
    """

    scheduler: str
    config: Mapping[str, Any] = field(default_factory=dict)
    steps: int = CONTROL_STEPS
    eta: float = 0.0
    passes_generators: bool = True
    noise: str = "torch-cpu"


class NotFiniteError(Exception):
    """The latents became infinite or not a number."""


def make(schedule: Schedule, stored: Mapping[str, Any]) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Build the scheduler of a schedule from the checkpoint's config."""
    kind: Any = getattr(diffusers, schedule.scheduler)
    return kind.from_config(stored, **schedule.config)


def walk(
    schedule: Schedule, stored: Mapping[str, Any], places: tuple[int, ...], most: int = 0
) -> tuple[torch.Tensor, list[torch.Generator]]:
    """Take the steps from the noise of some seeds.

    Args:
        schedule: How to sample.
        stored: Config of the checkpoint's scheduler.
        places: Indices into `SEEDS`, in the order in which they stand in the batch.
        most: Number of steps to take; 0 for all.

    Returns:
        The last latents, and the generators of the seeds.

    Raises:
        NotFiniteError: If they become infinite or not a number.
        Exception: Whatever the scheduler raises.
    """
    scheduler = make(schedule, stored)
    scheduler.set_timesteps(schedule.steps, **shift(scheduler))
    noise, generators = draw_noise([SEEDS[place] for place in places], SHAPE)
    latents = noise * float(getattr(scheduler, "init_noise_sigma", 1.0))
    takes = inspect.signature(scheduler.step).parameters
    offered: dict[str, Any] = {"eta": schedule.eta}
    offered |= {"generator": generators} if schedule.passes_generators else {}
    arguments = {name: value for name, value in offered.items() if name in takes}
    for count, t in enumerate(scheduler.timesteps, start=1):
        predicted = _predict(scheduler, latents, t)
        latents = scheduler.step(predicted, t, latents, return_dict=False, **arguments)[0]
        if not bool(torch.isfinite(latents).all()):
            raise NotFiniteError(f"the latents are infinite or NaN after time step {float(t):g}")
        if count == most:
            break
    return latents, generators


def shift(scheduler: Any) -> dict[str, float]:  # noqa: ANN401
    """Give the shift that pipelines compute from the size of the image, if the scheduler asks."""
    asks = "mu" in inspect.signature(scheduler.set_timesteps).parameters
    return {"mu": 1.0} if asks and scheduler.config.get("use_dynamic_shifting") else {}


def _predict(scheduler: Any, latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """Stand in for a network: the same function of each number, at most 1 in size."""
    scaled = (
        scheduler.scale_model_input(latents, t)
        if hasattr(scheduler, "scale_model_input")
        else latents
    )
    predicted = scaled.clamp(-1, 1)
    learned = str(scheduler.config.get("variance_type")).startswith("learned")
    return torch.cat([predicted, predicted], dim=1) if learned else predicted
