"""Define what a page for another tool says about seeds there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goldenseed.steps.seed_lists.origin import Origin
from pipeline.errors import ConfigError


@dataclass(frozen=True)
class Use:
    """Seeds to use in a tool.

    Attributes:
        seeds: The seeds.
        origin: What they were drawn with.
        prompt: What the images are to show.
    """

    seeds: tuple[int, ...]
    origin: Origin
    prompt: str


@dataclass(frozen=True)
class Guide:
    """How to use seeds in a tool.

    Attributes:
        content: What the tool reads: code, a workflow or text. It goes to stdout.
        start: How the tool's starting noise compares with that of the seeds.
        steps: How its step noise compares.
        notes: What to set or to know, one sentence each.
        parts: The same in parts for programs, JSON-ready.
    """

    content: str
    start: str
    steps: str
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict)


NO_STEP_NOISE = "none is drawn: this sampler is deterministic after the start"


def steps_words(origin: Origin, own: str) -> str:
    """Say how a tool's step noise compares; `own` holds for samplers that draw any."""
    return own if origin.draws_step_noise else NO_STEP_NOISE


def cfg_scale(origin: Origin) -> float:
    """Guidance scale of tools in which 1 turns guidance off, as 0 does in diffusers."""
    return max(origin.guidance, 1.0)


def refuse_intervention(origin: Origin) -> None:
    """Refuse seeds of an intervention: no other tool draws their images.

    Raises:
        ConfigError: If they were drawn with one.
    """
    if origin.intervention:
        raise ConfigError(
            f"these seeds were drawn with the intervention {origin.intervention}, which only "
            f"goldenseed applies; draw with `goldenseed generate` and --seeds, or name a run "
            f"without an intervention"
        )


def refuse_added(origin: Origin, what: str) -> None:
    """Refuse a model that is more than its checkpoint, for a tool's page that loads just that.

    Args:
        origin: What the seeds were drawn with.
        what: What cannot be written, for the message.

    Raises:
        ConfigError: If the card adds anything.
    """
    if origin.added:
        raise ConfigError(
            f"no {what} for these seeds: the card {origin.card} adds {', '.join(origin.added)} to "
            f"its checkpoint. Draw with `goldenseed generate` and --seeds, or use "
            f"`goldenseed.generators` with a pipeline of your own"
        )


def added_notes(origin: Origin) -> tuple[str, ...]:
    """Say what a user has to add to the checkpoint, or to replace in it, by hand."""
    added = ", ".join(origin.added)
    notes = [f"The card {origin.card} adds {added} to its checkpoint: add the same there."]
    replaced = [
        f"The card {origin.card} takes its {network.component} from {network.source}: load it there"
        f" in place of the checkpoint's own."
        for network in origin.networks
    ]
    return (*(notes if origin.added else ()), *replaced)


def settings_lines(origin: Origin) -> list[str]:
    """List the settings that the seeds need, one "name: value" a line."""
    width, height = origin.size
    revision = f" at revision {origin.revision}" if origin.revision else ""
    lines = [
        f"model: {origin.card}{f' ({origin.repo}{revision})' if origin.repo else ''}",
        f"size: {width} x {height} pixels",
        f"sampler: {origin.scheduler}",
        *(f"{name}: {value}" for name, value in origin.scheduler_config.items()),
        f"steps: {origin.steps}",
        f"guidance scale: {origin.guidance:g}",
        *([f"negative prompt: {origin.negative_prompt}"] if origin.negative_prompt else []),
        *([f"eta: {origin.eta:g}"] if origin.eta else []),
        "batch: one image per seed, with a generator of its own",
    ]
    if origin.intervention:
        lines.append(f"intervention: {origin.intervention}, which only goldenseed applies")
    return lines
