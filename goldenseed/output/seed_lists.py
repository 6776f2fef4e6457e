"""Print seeds, what they were drawn with, and how to use them in a tool."""

import dataclasses

from goldenseed.output import tables
from goldenseed.output.tools import Guide, Use, write_guide
from goldenseed.output.tools.base import settings_lines
from goldenseed.progress import note
from goldenseed.steps.seed_lists.source import SeedList
from pipeline.noise import noise_spec


def print_seeds(found: SeedList, tool: str, prompt: str, *, as_json: bool) -> None:
    """Print a list of seeds.

    Args:
        found: The seeds.
        tool: Name of a tool; empty for the seeds and their settings alone.
        prompt: Prompt for the tool.
        as_json: Print JSON.

    Raises:
        ConfigError: If the tool is unknown or cannot draw these seeds.
    """
    guide = write_guide(tool, Use(found.seeds, found.origin, prompt)) if tool else None
    if as_json:
        tables.print_json(_as_dict(found, tool, guide))
        return
    if found.origin.demonstration:
        note(
            f"{found.origin.card} is a demonstration model: its seeds say nothing about other "
            f"models"
        )
    if guide is None:
        _print_list(found)
        return
    tables.document(guide.content)
    note(f"starting noise in {tool}: {guide.start}")
    note(f"step noise: {guide.steps}")
    for text in guide.notes:
        note(text)


def _print_list(found: SeedList) -> None:
    seeds = ", ".join(map(str, found.seeds)) or "none"
    tables.line(f"{found.kind} seeds of {found.origin.card}: {seeds}")
    if found.verdict:
        tables.line(found.verdict)
    for text in settings_lines(found.origin):
        tables.line(text)
    tables.line(f"noise: {noise_spec(found.origin.noise).name}")
    tables.line("With --for TOOL: what diffusers, ComfyUI, A1111 and others need to draw them.")


def _as_dict(found: SeedList, tool: str, guide: Guide | None) -> dict[str, object]:
    origin = found.origin
    shared = {
        "seeds": list(found.seeds),
        "kind": found.kind,
        "source": found.source,
        "verdict": found.verdict,
        "model": {"card": origin.card, "repo": origin.repo, "revision": origin.revision},
        "demonstration": origin.demonstration,
        "sampling": dict(origin.sampling),
        "noise_spec": noise_spec(origin.noise).name,
    }
    return shared if guide is None else {**shared, "tool": tool, **dataclasses.asdict(guide)}
