"""Refuses settings that would give the images of another run a second name.

Whether two settings differ as text says little: up to a guidance scale of 1 most pipelines draw
without guidance, and a key of `scheduler_config` may repeat what the checkpoint says anyway. Each
would give a run id of its own to images that exist already.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cards.diffusers_source import defaults, guidance_begins_above
from pipeline.errors import ConfigError
from pipeline.interventions.base import Intervention
from pipeline.runs.checkpoint_limits import Folders
from pipeline.settings.recipe import Sampling
from pipeline.settings.unread import last_set

NO_GUIDANCE = 1.0
"""The scale that stands for "without guidance", unless the card itself has a lower one."""

FAMILIES = ("inpainting", "instantid", "stable_diffusion", "text_to_video")
"""Families that draw without guidance up to a scale of 1."""


def check_guidance_name(where: str, folders: Folders, guidance: float) -> None:
    """Refuse a guidance scale that draws without guidance under another number than usual.

    Args:
        where: Start of the message.
        folders: The card with its folders.
        guidance: The run's `guidance_scale`.

    Raises:
        ConfigError: The message has the number to write.
    """
    card, stage = folders.card, folders.last_stage
    begins = guidance_begins_above(stage.pipeline) if stage else None
    if card.family in FAMILIES:
        begins = NO_GUIDANCE
    reads_scale = folders.config(stage, "unet").get("time_cond_proj_dim") is not None
    if begins is None or guidance > begins or reads_scale:
        return
    usual = card.guidance_scale if card.guidance_scale <= begins else begins
    if guidance != usual:
        raise ConfigError(
            f"{where}guidance_scale is {guidance:g}: card {card.name} draws without guidance up to "
            f"{begins:g}, so this would be another run of the same images; write "
            f"`guidance_scale: {usual:.1f}`"
        )


def check_scheduler_keys(
    where: str, scheduler: str, layers: Sequence[Sampling], stored: Mapping[str, Any]
) -> None:
    """Refuse keys of a recipe's `scheduler_config` that say what holds without them.

    Args:
        where: Start of the message.
        scheduler: The run's scheduler.
        layers: The recipe's settings, the arm's last.
        stored: The checkpoint's own scheduler config; empty if it is unknown, and then nothing is
            refused.

    Raises:
        ConfigError: At the first such key.
    """
    chosen = last_set(layers, "scheduler_config", None)
    for key, value in (chosen or {}).items() if stored else ():
        if key in (without := _unchanged(scheduler, stored)) and _same(value, without[key]):
            rest = {name: other for name, other in chosen.items() if name != key}
            raise ConfigError(
                f"{where}scheduler_config sets {key} to {value!r}, which it is without the key "
                f"too, so this would be another run of the same images; write "
                f"`scheduler_config: {rest}`"
            )


def _unchanged(scheduler: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings that a scheduler has without a recipe's keys."""
    defaulted = stored.get("_use_default_values", ())
    kept = {key: value for key, value in stored.items() if key not in defaulted}
    return {**defaults("schedulers", scheduler, "__init__"), **kept}


def _same(left: Any, right: Any) -> bool:  # noqa: ANN401 - any value of a config
    """Whether two values are equal; True is not 1."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def check_negative_blanks(where: str, negative: str) -> None:
    """Refuse a negative prompt with blanks at an end, which tokenizers drop.

    Args:
        where: Start of the message.
        negative: The negative prompt.

    Raises:
        ConfigError: If there are any.
    """
    if negative != negative.strip():
        raise ConfigError(
            f"{where}negative_prompt {negative!r} has blanks at an end, which no text encoder "
            f"reads, so this would be another run of the same images; write {negative.strip()!r}"
        )


def check_arms_differ(arms: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse two arms that draw the same images.

    Args:
        arms: Name of an arm -> its settings, with those of recipe and card.

    Raises:
        ConfigError: The message names the first two such arms.
    """
    names = list(arms)
    for number, name in enumerate(names):
        for other in names[:number]:
            if _settings(arms[other]) == _settings(arms[name]):
                raise ConfigError(
                    f"arms {other} and {name} have the same settings, so they draw the same "
                    f"images; remove one of them, or change it"
                )


def _settings(arm: Mapping[str, Any]) -> dict[str, Any]:
    """Replace an intervention by its attributes, which a default that is written out leaves."""
    intervention = arm["intervention"]
    if not isinstance(intervention, Intervention):
        return dict(arm)
    kind = type(intervention)
    return {**arm, "intervention": (f"{kind.__module__}:{kind.__qualname__}", vars(intervention))}
