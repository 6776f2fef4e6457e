"""Refuse settings that the pipelines of a card would ignore, before anything is drawn."""

import inspect
from collections.abc import Mapping
from typing import Any

from pipeline.cards.card import Card
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.settings.config import RunConfig


def call_parameters(pipe: Any) -> Mapping[str, inspect.Parameter]:  # noqa: ANN401
    """Give the parameters that a pipeline's call takes, by name."""
    return inspect.signature(type(pipe).__call__).parameters


def refuse_ignored_settings(
    card: Card, config: RunConfig, intervention: Intervention, pipes: list[Any]
) -> None:
    """Refuse settings that the pipelines would ignore.

    Raises:
        ModelError: At the first such setting, with its reason.
    """
    stages, parameters = card.stages, call_parameters(pipes[-1])
    own_noise = all(stage.noise == "generator" for stage in stages)
    pipeline = f"card {card.name}: {stages[-1].pipeline}"
    refused = {
        f"{pipeline} takes no guidance_scale, and the run sets {config.guidance_scale}": (
            "guidance_scale" not in parameters and config.guidance_scale != card.guidance_scale
        ),
        f"{pipeline} takes no eta, and the run sets {config.eta}": (
            "eta" not in parameters and config.eta
        ),
        f"{pipeline} takes no negative prompt, and the run sets one": config.negative_prompt
        and not any("negative" in stage.sources() for stage in stages),
        f"{pipeline} does not pass its generators to its scheduler, so step noise would come from "
        f"a global stream; keep eta 0 and the scheduler {card.scheduler}": (
            not stages[-1].step_noise and (config.eta or config.scheduler != card.scheduler)
        ),
        f"{pipeline} draws its starting noise itself, and the intervention changes it": (
            own_noise and intervention.changes("starting_noise")
        ),
        f"{pipeline} draws its starting noise itself or comes after another stage, and the "
        f"intervention changes the step noise, which comes after the starting noise": (
            intervention.changes("step_generators") and (own_noise or len(stages) > 1)
        ),
        f"{pipeline} draws noise itself, in the networks' dtype; only float32 gives a seed's "
        f"noise, not {config.dtype}": (
            any(stage.noise == "generator" for stage in stages) and config.dtype != "float32"
        ),
        f"{pipeline} draws one size only, {card.width} x {card.height}": (
            "height" not in parameters
            and (config.height, config.width) != (card.height, card.width)
        ),
    }
    for reason, holds in refused.items():
        if holds:
            raise ModelError(reason)
