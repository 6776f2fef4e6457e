"""Refuses settings that nothing reads.

A setting counts in the run's id even if the model ignores it. So a mistyped setting would name a
new run that draws the same images as an old one. This module imports neither torch nor diffusers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.cards.card import Card
from pipeline.cards.diffusers_source import arguments, scheduler_names
from pipeline.cards.other_tools import scheduler_hint
from pipeline.errors import ConfigError, nearest
from pipeline.prompts.prompt import Prompt
from pipeline.registry import is_user_path
from pipeline.settings.config import RunConfig
from pipeline.settings.kernels import KERNELS, check_kernels
from pipeline.settings.recipe import Arm, Recipe, Sampling
from pipeline.settings.weighting import with_version


def check_settings_are_read(recipe: Recipe, card: Card) -> None:
    """Refuse settings of a recipe or its card that nothing reads.

    Nothing is refused for a model family or an intervention of the user's own, which may read
    settings in another way.

    Args:
        recipe: The recipe.
        card: Its card.

    Raises:
        ConfigError: If a scheduler is unknown, it does not read a key of `scheduler_config`, it or
            the pipeline has no eta, the pipeline has no guidance, or there is a negative prompt
            without guidance.
    """
    if is_user_path(card.family):
        return
    for name, arm in (recipe.arms or {"": Arm()}).items():
        layers = [recipe.sampling, arm]
        intervention = last_set(layers, "intervention", None)
        if intervention is None or not is_user_path(intervention.name):
            _check_arm(f"arm {name}: " if name else "", card, layers)


def last_set(layers: Sequence[Sampling], field: str, default: Any) -> Any:  # noqa: ANN401 - any field
    """Give a setting as the last layer that sets it, or else a default.

    Args:
        layers: Settings; a later layer replaces an earlier one.
        field: Name of the setting.
        default: For example the card's.
    """
    values = [getattr(layer, field) for layer in layers]
    return next((value for value in reversed(values) if value is not None), default)


def check_negatives_are_read(recipe: Recipe, prompts: Iterable[Prompt]) -> None:
    """Refuse negative prompts of prompts that an arm does not read.

    Args:
        recipe: The recipe.
        prompts: Its prompts.

    Raises:
        ConfigError: If an arm draws without guidance, or its pipeline takes none.
    """
    if not any(prompt.negative for prompt in prompts):
        return
    for part in recipe.by_card():
        card = part.own_card()
        for name, arm in (part.arms or {"": Arm()}).items():
            where = f"{f'arm {name}: ' if name else ''}prompts have negative prompts: "
            guidance = last_set([part.sampling, arm], "guidance_scale", card.guidance_scale)
            if not is_user_path(card.family):
                _check_negative(where, card, guidance)


def _check_arm(where: str, card: Card, layers: Sequence[Sampling]) -> None:
    scheduler = last_set(layers, "scheduler", card.scheduler)
    check_scheduler(where, scheduler)
    config = last_set(layers, "scheduler_config", None)
    if config is None and scheduler == card.scheduler:
        where_set, config = f"{where}card {card.name}: ", card.scheduler_config
    else:  # a card's keys were chosen for the card's own scheduler
        where_set = where
    _check_keys(where_set, scheduler, config or {})
    _check_guidance(where, card, last_set(layers, "guidance_scale", card.guidance_scale))
    if last_set(layers, "clip_skip", card.clip_skip):
        _check_clip_skip(where, card)
    _check_weighting(where, card, layers)
    kernels = {
        name: last_set(layers, name, RunConfig.model_fields[name].default) for name in KERNELS
    }
    check_kernels(where, card, kernels, last_set(layers, "dtype", card.dtype))
    if last_set(layers, "eta", 0):
        _check_eta(where, card, scheduler)
    if last_set(layers, "negative_prompt", ""):
        _check_negative(where, card, last_set(layers, "guidance_scale", card.guidance_scale))


def check_scheduler(where: str, scheduler: str) -> None:
    """Refuse a scheduler that diffusers does not have.

    Args:
        where: Start of the message.
        scheduler: The name.

    Raises:
        ConfigError: If there is no such scheduler; the message names the nearest.
    """
    known = scheduler_names()
    if known and scheduler not in known:
        near = nearest(scheduler, known) or nearest(f"{scheduler}Scheduler", known)
        raise ConfigError(
            f"{where}diffusers has no scheduler {scheduler!r}; "
            f"{scheduler_hint(scheduler) or near}known: {', '.join(known)}"
        )


def _check_keys(where: str, scheduler: str, config: Mapping[str, Any]) -> None:
    read = arguments("schedulers", scheduler, "__init__")
    for key in config:
        if read and key not in read:
            raise ConfigError(
                f"{where}scheduler_config has {key!r}, which {scheduler} does not read; "
                f"{nearest(key, read)}it reads {', '.join(sorted(read))}"
            )


def _check_guidance(where: str, card: Card, guidance: float) -> None:
    call = arguments("pipelines", card.stages[-1].pipeline, "__call__") if card.stages else set()
    if call and guidance != card.guidance_scale and "guidance_scale" not in call:
        raise ConfigError(
            f"{where}guidance_scale is {guidance:g}, and {card.stages[-1].pipeline} of card "
            f"{card.name} does not take it; remove guidance_scale"
        )


def _check_clip_skip(where: str, card: Card) -> None:
    pipeline = card.stages[-1].pipeline if card.stages else ""
    call = arguments("pipelines", pipeline, "__call__") if pipeline else set()
    if card.family != "stable_diffusion" and "clip_skip" not in call:
        raise ConfigError(
            f"{where}clip_skip is set, and {pipeline or card.family} of card {card.name} does not "
            f"take it; remove clip_skip"
        )


def _check_weighting(where: str, card: Card, layers: Sequence[Sampling]) -> None:
    weighting = last_set(layers, "prompt_weighting", card.prompt_weighting)
    if not weighting and last_set(layers, "prompt_chunks", card.prompt_chunks) > 1:
        raise ConfigError(
            f"{where}prompt_chunks is above 1, and nothing reads it without prompt_weighting; set "
            f"prompt_weighting: compel, or remove prompt_chunks"
        )
    if not weighting:
        return
    pipelines = [stage.pipeline for stage in card.stages]
    if card.family != "stable_diffusion" and pipelines != [WEIGHTED]:
        raise ConfigError(
            f"{where}prompt_weighting is set, and goldenseed uses it for Stable Diffusion 1 and 2 "
            f"and for SDXL only; remove it for card {card.name}"
        )
    if last_set(layers, "clip_skip", card.clip_skip):
        raise ConfigError(f"{where}clip_skip and prompt_weighting exclude each other; remove one")
    with_version(weighting)


WEIGHTED = "StableDiffusionXLPipeline"
"""The described pipeline whose prompts may have weights."""


def _check_eta(where: str, card: Card, scheduler: str) -> None:
    step = arguments("schedulers", scheduler, "step")
    if step and "eta" not in step:
        readers = [n for n in NEAR_DDIM if "eta" in arguments("schedulers", n, "step")]
        raise ConfigError(
            f"{where}eta is set, and {scheduler} does not read it; remove eta, or use "
            f"{' or '.join(readers)}"
        )
    call = arguments("pipelines", card.stages[-1].pipeline, "__call__") if card.stages else set()
    if call and "eta" not in call:
        raise ConfigError(
            f"{where}eta is set, and {card.stages[-1].pipeline} of card {card.name} does not take "
            f"it; remove eta"
        )


NEAR_DDIM = ("DDIMScheduler", "TCDScheduler")
"""Schedulers for text-to-image models that may read eta."""


def _check_negative(where: str, card: Card, guidance: float) -> None:
    if card.stages and not any("negative" in stage.sources() for stage in card.stages):
        raise ConfigError(
            f"{where}negative_prompt is set, and {card.stages[-1].pipeline} of card {card.name} "
            f"takes none; remove negative_prompt"
        )
    if guidance <= 1 and not _guided_otherwise(card):
        raise ConfigError(
            f"{where}negative_prompt is set, and nothing reads it: guidance_scale is "
            f"{guidance:g}, which switches guidance off; set guidance_scale above 1, or remove "
            f"negative_prompt"
        )


def _guided_otherwise(card: Card) -> bool:
    """Whether a pipeline of the card has guidance that `guidance_scale` does not switch off."""
    if any("negative" in stage.sources() for stage in card.stages[:-1]):
        return True
    last = card.stages[-1].arguments if card.stages else {}
    return any(name.endswith(("guidance_scale", "cfg_scale")) for name in last)
