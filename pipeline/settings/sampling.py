"""What a recipe asks of sampling, checked before anything is loaded. No torch.

A plan and a run make the same checks, so that what no checkpoint is needed for costs seconds and
not the start of every actor.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import interventions
from pipeline.cards.card import Card
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError
from pipeline.interventions.base import Intervention
from pipeline.registry import load
from pipeline.settings.config import InterventionConfig
from pipeline.settings.recipe import Recipe, Sampling

PREDICTION = "prediction_type"


def make_intervention(chosen: InterventionConfig) -> Intervention:
    """The intervention of this name with these parameters; it has read no weights yet.

    Raises:
        RegistryError: If there is none of this name.
        ConfigError: If a parameter is unknown, missing or out of range.

    Example:
        >>> make_intervention(InterventionConfig(name="freeu", parameters={"version": 3}))
        Traceback (most recent call last):
        ...
        pipeline.errors.ConfigError: intervention freeu: version is 3; wanted 1 (diffusers) or ...
    """
    kind = load(interventions.INTERVENTIONS, chosen.name, "intervention", base=Intervention)
    try:
        made: Intervention = kind(chosen.parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"intervention {chosen.name}: {error}") from error
    return made


def check_sampling(recipe: Recipe, card: Card) -> None:
    """Refuse what a card or an intervention cannot do, as far as no checkpoint is needed.

    Args:
        recipe: The recipe.
        card: Its card.

    Raises:
        RegistryError: If an intervention is unknown.
        ConfigError: If an intervention's parameters are wrong, the card names a part that it
            does not bring, or an arm says that the network predicts what it does not.
    """
    _check_parts(card)
    folder = PROJECT_ROOT / card.path if card.path else None
    for arm in recipe.arms.values() or [Sampling()]:
        for layer in (recipe.sampling, arm):
            if layer.intervention is not None:
                make_intervention(layer.intervention)
        check_prediction(card, _scheduler_config(card, recipe.sampling, arm), folder)


def _scheduler_config(card: Card, *layers: Sampling) -> Mapping[str, Any]:
    """The last one that is given."""
    given = [layer.scheduler_config for layer in layers if layer.scheduler_config is not None]
    return given[-1] if given else card.scheduler_config


def _check_parts(card: Card) -> None:
    for stage in card.stages:
        if stage.part and stage.part not in card.parts:
            raise ConfigError(
                f"card {card.name}: its {stage.pipeline} is in the part {stage.part!r}, which "
                f"`parts` does not bring ({', '.join(card.parts) or 'it is empty'}); add it"
            )


def check_prediction(card: Card, settings: Mapping[str, Any], folder: Path | None) -> None:
    """Refuse a run that takes what the network gives for something else.

    Noise (epsilon) read as velocity, or the other way round, makes every picture a blur without
    any error. What a network predicts is a property of its weights, so the card says it, or else
    the checkpoint's own scheduler.

    Args:
        card: The card.
        settings: The run's settings over the checkpoint's scheduler config.
        folder: The checkpoint's folder; None where it is not on this machine.

    Raises:
        ConfigError: If the run says otherwise.
    """
    stored = _stored_prediction(folder)
    right = card.scheduler_config.get(PREDICTION) or stored
    used = settings.get(PREDICTION) or stored
    if right and used and right != used:
        raise ConfigError(
            f"card {card.name} predicts {right}, and the run would sample as if it predicted "
            f"{used}: what a network predicts is a property of its weights. Set "
            f"`scheduler_config: {{{PREDICTION}: {right}}}`, or leave {PREDICTION} to the card"
        )


def _stored_prediction(folder: Path | None) -> str:
    """What the checkpoint's scheduler says; empty where there is none to ask."""
    path = folder / "scheduler" / "scheduler_config.json" if folder else None
    if path is None or not path.is_file():
        return ""
    found = json.loads(path.read_bytes()).get(PREDICTION, "epsilon")  # as in diffusers
    return str(found)
