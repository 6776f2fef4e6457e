"""Checks the sampling settings of a recipe before anything is loaded.

A plan and a run make the same checks. They need no checkpoint, so a mistake is found in seconds and
not when all actors have started. This module does not import torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import interventions
from pipeline.cards.card import Card, load_cards
from pipeline.cards.card_parts import DECODERS
from pipeline.cards.diffusers_source import passes_generator
from pipeline.cards.json_files import read_object
from pipeline.errors import ConfigError
from pipeline.interventions.base import Intervention
from pipeline.registry import is_user_path, load
from pipeline.runs.checkpoint_limits import (
    Folders,
    check_guidance,
    check_size,
    check_tokenizers,
    local_folders,
)
from pipeline.runs.same_images import (
    check_arms_differ,
    check_guidance_name,
    check_negative_blanks,
    check_scheduler_keys,
)
from pipeline.settings.config import InterventionConfig, RunConfig
from pipeline.settings.recipe import Arm, Recipe, Sampling
from pipeline.settings.unread import check_settings_are_read, last_set

PREDICTION = "prediction_type"
FACTOR = "vae_factor"

PATCHING = "AutoencoderKLFlux2"
"""The autoencoder whose latents are patches of 2 x 2."""

HALVING = ("AutoencoderKL", PATCHING, "VQModel")
"""Autoencoders that halve the size once per block, but not in the last."""


def make_intervention(chosen: InterventionConfig) -> Intervention:
    """Make the intervention of this name with these parameters, without reading weights.

    Raises:
        RegistryError: If there is no intervention of this name.
        ConfigError: If a parameter is unknown, missing or out of range.

    Example:
        >>> make_intervention(InterventionConfig(name="freeu", parameters={"version": 3}))
        Traceback (most recent call last):
        ...
        pipeline.errors.ConfigError: intervention freeu: version is 3; wanted 1 or 2
    """
    kind = load(interventions.INTERVENTIONS, chosen.name, "intervention", base=Intervention)
    try:
        intervention: Intervention = kind(chosen.parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"intervention {chosen.name}: {error}") from error
    return intervention


def check_sampling(recipe: Recipe, card: Card) -> None:
    """Refuse what a card or an intervention cannot do, as far as this needs no checkpoint.

    Args:
        recipe: The recipe.
        card: Its card.

    Raises:
        RegistryError: If an intervention is unknown.
        ConfigError: If an intervention's parameters are wrong, a stage of the card uses a part that
            the card does not have, a size is no multiple of the card's `vae_factor`, nothing reads
            one of the settings, or in a case of `check_checkpoint`.
    """
    _check_parts(card)
    check_settings_are_read(recipe, card)
    for arm in recipe.arms.values() or [Sampling()]:
        for layer in (recipe.sampling, arm):
            if layer.intervention is not None:
                make_intervention(layer.intervention)
        layers = (arm, recipe.sampling, card)
        card.latents_shape(
            next(layer.height for layer in layers if layer.height is not None),
            next(layer.width for layer in layers if layer.width is not None),
        )
    folders = local_folders(card)
    check_checkpoint(recipe, card, folders.folder, folders.parts)


def check_checkpoint(
    recipe: Recipe, card: Card, folder: Path | None, parts: Mapping[str, Path]
) -> None:
    """Refuse what a checkpoint cannot do, by its configs alone; no weights are read.

    Args:
        recipe: The recipe.
        card: Its card.
        folder: The checkpoint's folder; None if it is not on this machine.
        parts: Folders of the card's parts that are on this machine.

    Raises:
        ConfigError: If the card's latents are not those of its VAE, a tokenizer has no limit, or an
            arm names a wrong prediction type, a size or guidance that the networks cannot draw, or
            a scheduler that cannot sample with its settings, or if settings would give the images
            of another run a second run id.
    """
    check_latents(card, folder, parts)
    if is_user_path(card.family):
        return
    folders = Folders(card, folder, parts)
    check_tokenizers(folders)
    stored = _stored_scheduler(folders.pipeline(folders.last_stage))
    for name, arm in (recipe.arms or {"": Arm()}).items():
        where, layers = f"arm {name}: " if name else "", (recipe.sampling, arm)
        guidance = last_set(layers, "guidance_scale", card.guidance_scale)
        negative = last_set(layers, "negative_prompt", "")
        check_prediction(card, _scheduler_config(card, *layers), folder)
        check_size(
            where,
            folders,
            height=last_set(layers, "height", card.height),
            width=last_set(layers, "width", card.width),
        )
        check_guidance(
            where,
            folders,
            guidance=guidance,
            negative=negative,
        )
        check_guidance_name(where, folders, guidance)
        check_negative_blanks(where, negative)
        scheduler = last_set(layers, "scheduler", card.scheduler)
        check_scheduler_keys(where, scheduler, layers, stored)
        _check_schedule(where, folders, layers)
    check_arms_differ({n: _settings(card, recipe.sampling, arm) for n, arm in recipe.arms.items()})


def _settings(card: Card, *layers: Sampling) -> dict[str, Any]:
    """Give all settings of an arm, with its intervention made."""
    defaults = {name: RunConfig.model_fields[name].default for name in Sampling.model_fields}
    settings = {
        name: last_set(layers, name, getattr(card, name, defaults[name])) for name in defaults
    }
    chosen = settings["intervention"]
    if not is_user_path(chosen.name):
        settings["intervention"] = make_intervention(chosen)
    return settings


def _check_schedule(where: str, folders: Folders, layers: Sequence[Sampling]) -> None:
    """Rehearse the scheduler of an arm; a test rehearses the settings of the shipped cards."""
    card = folders.card
    intervention = last_set(layers, "intervention", None)
    if intervention is not None and is_user_path(intervention.name):
        return  # it may change the scheduler
    own = (card.scheduler, card.scheduler_config, card.num_inference_steps, 0.0, "torch-cpu")
    scheduler, config, steps, eta, noise = wanted = (
        last_set(layers, "scheduler", card.scheduler),
        _scheduler_config(card, *layers),
        last_set(layers, "num_inference_steps", card.num_inference_steps),
        last_set(layers, "eta", 0.0),
        last_set(layers, "noise", "torch-cpu"),
    )
    if card == load_cards().get(card.name) and wanted == own:
        return
    from pipeline.models.rehearsal import Schedule, rehearse  # loads torch and diffusers

    stage = folders.last_stage
    passes = stage is None or passes_generator(stage.pipeline)
    schedule = Schedule(scheduler, config, steps, eta, passes, noise)
    rehearse(where, schedule, folders.pipeline(stage))


def _scheduler_config(card: Card, *layers: Sampling) -> Mapping[str, Any]:
    """Give the last scheduler config that is set."""
    configs = [layer.scheduler_config for layer in layers if layer.scheduler_config is not None]
    return configs[-1] if configs else card.scheduler_config


def _check_parts(card: Card) -> None:
    for stage in card.stages:
        if stage.part and stage.part not in card.parts:
            raise ConfigError(
                f"card {card.name}: its {stage.pipeline} is in the part {stage.part!r}, which is "
                f"not in `parts` ({', '.join(card.parts) or 'there are none'}); add it"
            )


def check_prediction(card: Card, settings: Mapping[str, Any], folder: Path | None) -> None:
    """Refuse a run that interprets the network's prediction wrongly.

    If noise (epsilon) is read as velocity, or velocity as noise, all images are blurs, and there is
    no error. What a network predicts is a property of its weights; the card says it, or else the
    checkpoint's own scheduler.

    Args:
        card: The card.
        settings: The run's settings that override the checkpoint's scheduler config.
        folder: The checkpoint's folder; None if it is not on this machine.

    Raises:
        ConfigError: If the run would use another prediction type.
    """
    stored = _stored_prediction(folder)
    predicted = card.scheduler_config.get(PREDICTION) or stored
    used = settings.get(PREDICTION) or stored
    if predicted and used and predicted != used:
        advice = f"Set `scheduler_config: {{{PREDICTION}: {predicted}}}`"
        if predicted == stored:
            advice = f"Remove {PREDICTION}"
        raise ConfigError(
            f"card {card.name} predicts {predicted}, and the run would sample as if it predicted "
            f"{used}: what a network predicts is a property of its weights. {advice}"
        )


def _stored_prediction(folder: Path | None) -> str:
    """Read the prediction type of the checkpoint's scheduler; empty if there is no such file."""
    stored = _stored_scheduler(folder)
    return str(stored.get(PREDICTION, "epsilon")) if stored else ""  # default of diffusers


def _stored_scheduler(folder: Path | None) -> Mapping[str, Any]:
    """Read the config of the checkpoint's scheduler; empty if there is no such file."""
    path = folder / "scheduler" / "scheduler_config.json" if folder else None
    return read_object(path) if path is not None and path.is_file() else {}


def check_latents(card: Card, folder: Path | None, parts: Mapping[str, Path]) -> None:
    """Refuse a card whose latents are not those of its VAE, by reading the VAE's config alone.

    Nothing is refused for a model family of the user's own, or where there is no VAE.

    Args:
        card: The card.
        folder: The checkpoint's folder; None if it is not on this machine.
        parts: Folders of the card's parts that are on this machine.

    Raises:
        ConfigError: If the number of channels or the factor differs; the message has both numbers.
    """
    path = _decoder_config(card, folder, parts)
    if path is None or is_user_path(card.family):
        return
    config = read_object(path)
    blocks, channels = config.get("block_out_channels"), config.get("latent_channels")
    factor = 2 ** (len(blocks) - 1) if blocks and config.get("_class_name") in HALVING else None
    if config.get("_class_name") == PATCHING and factor and isinstance(channels, int):
        factor, channels = 2 * factor, 4 * channels
    for name, value in {"latent_channels": channels, FACTOR: factor}.items():
        if isinstance(value, int) and value != getattr(card, name):
            raise ConfigError(
                f"card {card.name}: {name} is {getattr(card, name)}, and the autoencoder in "
                f"{path} has {value}; write `{name}: {value}`"
            )


def _decoder_config(card: Card, folder: Path | None, parts: Mapping[str, Path]) -> Path | None:
    """Find the config of what decodes the latents: a part of the card, or in the last folder."""
    replaced = [n for n, part in card.parts.items() if part.component in DECODERS and n in parts]
    folders = [parts[name] / card.parts[name].subfolder for name in replaced]
    if not folders:
        part = card.stages[-1].part if card.stages else ""
        last = parts.get(part) if part else folder
        folders = [last / name for name in DECODERS] if last else []
    return next((f / "config.json" for f in folders if (f / "config.json").is_file()), None)
