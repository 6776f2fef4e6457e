"""Define what a page for another tool says about seeds there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goldenseed.steps.seed_lists.origin import Origin


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
