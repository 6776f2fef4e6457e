"""Reads what the configs of a model say: how its pipeline is called, its size, its scheduler.

How a pipeline is called is taken from a shipped card of the same pipeline. Steps and guidance are
defaults of the pipeline's class, unless the configs are of a model that was distilled to few steps:
such a model's steps are written on its page only, so they are asked for.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.cards.card import Card, load_cards
from pipeline.cards.diffusers_source import defaults
from pipeline.cards.facts.fact import Facts
from pipeline.cards.json_files import read_config, read_object
from pipeline.errors import ModelError, nearest

HALVING = ("AutoencoderKL", "VQModel")
"""Autoencoders that halve the size once per block, but not in the last."""

FEW_STEPS = ("turbo", "lightning", "lcm", "hyper", "schnell", "dmd", "distill", "flash")
"""Words in names of models that were distilled to few steps."""

FEW_STEP_SCHEDULERS = ("LCMScheduler", "TCDScheduler")

NETWORKS = ("transformer", "unet")

Z_IMAGE_SHIFT, Z_IMAGE_TURBO_SHIFT = 6.0, 3.0
"""The `shift` of both schedulers, which alone tells the configs of the two models apart."""


def config_facts(folder: Path, facts: Facts, *, name: str = "") -> None:
    """Add what the configs in a folder say.

    Args:
        folder: A folder in the diffusers layout; weights are not read.
        facts: What is known already, which stays.
        name: Name of the model; empty for that of the folder.

    Raises:
        ModelError: If no shipped card calls this pipeline, or a config is damaged.
    """
    index = read_object(folder / "model_index.json")
    card = pattern_card(str(index.get("_class_name")), folder)
    pipeline = str(index["_class_name"])
    facts.say("family", card.family, f"model_index.json: {pipeline}")
    facts.say("pipeline", pipeline, "model_index.json")
    if card.stages:
        facts.say("stages", [stage.identity() for stage in card.stages], f"as card {card.name}")
    width = _config(folder, "unet").get("cross_attention_dim", 0)
    facts.say("text_width", width if isinstance(width, int) else 0, "unet/config.json")
    _scheduler_facts(folder, card, facts)
    _latent_facts(folder, card, facts)
    _size_facts(folder, card, facts)
    why = few_steps_reason(folder, name or folder.name)
    _step_facts(folder, index, card, facts, why)


def pattern_card(pipeline: str, folder: Path) -> Card:
    """Find the shipped card that calls a pipeline of this class.

    Args:
        pipeline: The class in diffusers.
        folder: The model's folder; a config tells models of one class apart.

    Raises:
        ModelError: If there is none; the message names the pipelines that can be called.
    """
    patterns = pattern_cards()
    if pipeline == "None":
        raise ModelError(f"{folder}/model_index.json names no pipeline (`_class_name`)")
    if pipeline not in patterns:
        raise ModelError(
            f"{folder} is of the pipeline {pipeline}, which no shipped card calls; "
            f"{nearest(pipeline, patterns)}these are called: {', '.join(sorted(patterns))}. "
            f"For another pipeline write a card with `stages` (docs/cards.md)"
        )
    cards = patterns[pipeline]
    guided = _config(folder, "transformer").get("guidance_embeds")
    without = [card for card in cards if card.guidance_scale == 0]
    return without[0] if guided is False and without else cards[0]


@cache
def pattern_cards() -> Mapping[str, list[Card]]:
    """Give pipeline class -> the shipped cards that call it alone, without parts or conditions."""
    found: dict[str, list[Card]] = {}
    for card in load_cards().values():
        plain = not card.parts and not card.conditions and not card.demonstration
        if plain and card.family == "stable_diffusion":
            found.setdefault("StableDiffusionPipeline", []).append(card)
        elif plain and len(card.stages) == 1 and "text" in card.stages[0].sources():
            found.setdefault(card.stages[0].pipeline, []).append(card)
    return {name: sorted(cards, key=_turbo_last) for name, cards in found.items()}


def _turbo_last(card: Card) -> bool:
    return card.guidance_scale == 0


def _scheduler_facts(folder: Path, card: Card, facts: Facts) -> None:
    config = read_config(folder / "scheduler" / "scheduler_config.json")
    if "_class_name" in config:
        facts.say("scheduler", config["_class_name"], "scheduler/scheduler_config.json")
    else:
        facts.say("scheduler", card.scheduler, f"as card {card.name}; the model names none")
    if "prediction_type" in config:
        facts.say("prediction_type", config["prediction_type"], "scheduler/scheduler_config.json")
    own = defaults("schedulers", facts.value("scheduler"), "__init__")
    if "prediction_type" in own:
        facts.say("prediction_type", own["prediction_type"], "the default of the scheduler")


def _latent_facts(folder: Path, card: Card, facts: Facts) -> None:
    vae = _config(folder, "vae")
    blocks = vae.get("block_out_channels")
    if vae.get("_class_name") in HALVING and blocks:
        facts.say("latent_channels", vae.get("latent_channels", 4), "vae/config.json")
        facts.say("vae_factor", 2 ** (len(blocks) - 1), "vae/config.json: its number of blocks")
    facts.say("latent_channels", card.latent_channels, f"as card {card.name}")
    facts.say("vae_factor", card.vae_factor, f"as card {card.name}")


def _size_facts(folder: Path, card: Card, facts: Facts) -> None:
    for name in NETWORKS:
        size = _config(folder, name).get("sample_size")
        if isinstance(size, int):
            pixels = size * facts.value("vae_factor")
            facts.say("height", pixels, f"{name}/config.json: sample_size {size} x vae_factor")
            facts.say("width", pixels, "the same")
    facts.say("height", card.height, f"as card {card.name}; the configs name no size")
    facts.say("width", card.width, "the same")


def _step_facts(folder: Path, index: Mapping[str, Any], card: Card, facts: Facts, why: str) -> None:
    pipeline = str(index["_class_name"])
    if _is_distilled(folder, index, card):
        source = f"as card {card.name}, whose configs are alike"
        facts.say("num_inference_steps", card.num_inference_steps, source)
        facts.say("guidance_scale", card.guidance_scale, "the same")
    elif why:
        facts.ask("num_inference_steps", why)
        facts.ask("guidance_scale", why)
    else:
        call = defaults("pipelines", pipeline, "__call__")
        source = f"the default of {pipeline}"
        for name in ("num_inference_steps", "guidance_scale"):
            own = getattr(card, name)
            facts.say(name, call.get(name, own), source if name in call else f"card {card.name}")


def _is_distilled(folder: Path, index: Mapping[str, Any], card: Card) -> bool:
    """Whether the configs are those of a shipped card of a model distilled to few steps."""
    transformer = _config(folder, "transformer")
    schnell = card.guidance_scale == 0 and transformer.get("guidance_embeds") is False
    turbo = _is_z_image(folder) and _shift(folder) == Z_IMAGE_TURBO_SHIFT
    return bool(index.get("is_distilled")) or schnell or turbo


def few_steps_reason(folder: Path, name: str) -> str:
    """Say why a model may be one that was distilled to few steps; empty if nothing says so.

    Args:
        folder: The model's folder.
        name: Its name.
    """
    config = read_config(folder / "scheduler" / "scheduler_config.json")
    if config.get("_class_name") in FEW_STEP_SCHEDULERS:
        return f"its scheduler is {config['_class_name']}, for models distilled to few steps"
    if config.get("timestep_spacing") == "trailing" and "rescale_betas_zero_snr" not in config:
        return "its scheduler's timestep_spacing is trailing, as of models distilled to few steps"
    if _config(folder, "unet").get("time_cond_proj_dim") is not None:
        return "its UNet takes the guidance as an input, as of models distilled to few steps"
    if _is_z_image(folder) and _shift(folder) != Z_IMAGE_SHIFT:
        return (
            f"its scheduler shifts by {_shift(folder)}, that of Z-Image by {Z_IMAGE_SHIFT} and "
            f"that of Z-Image-Turbo by {Z_IMAGE_TURBO_SHIFT}"
        )
    word = next((word for word in FEW_STEPS if word in name.lower()), "")
    return f"its name contains {word!r}, as of models distilled to few steps" if word else ""


def _is_z_image(folder: Path) -> bool:
    return _config(folder, "transformer").get("_class_name") == "ZImageTransformer2DModel"


def _shift(folder: Path) -> object:
    path = folder / "scheduler" / "scheduler_config.json"
    return read_object(path).get("shift") if path.is_file() else None


def _config(folder: Path, name: str) -> Mapping[str, Any]:
    return read_config(folder / name / "config.json")
