"""Pages for other tools: how to use seeds there, and how far they mean the same.

A new tool is a function here and a line in the table.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from goldenseed.output.tools import a1111, comfyui, diffusers, others
from goldenseed.output.tools.base import Guide, Use, refuse_intervention
from pipeline.errors import ConfigError, nearest

__all__ = ["TOOLS", "Guide", "Use", "write_guide"]

TOOLS: Mapping[str, Callable[[Use], Guide]] = MappingProxyType(
    {
        "diffusers": diffusers.guide,
        "comfyui": comfyui.guide,
        "a1111": a1111.guide,
        "invokeai": others.invokeai,
        "sdnext": others.sdnext,
        "drawthings": others.drawthings,
    }
)
"""Name -> what writes its page."""


def write_guide(tool: str, use: Use) -> Guide:
    """Write how to use seeds in a tool.

    Raises:
        ConfigError: If the tool is unknown, there is no seed, or the tool cannot draw them.
    """
    if tool not in TOOLS:
        raise ConfigError(f"--for {tool!r}: {nearest(tool, TOOLS)}known: {', '.join(TOOLS)}")
    if not use.seeds:
        raise ConfigError(
            "the list holds no seed, so there is nothing to use: no seed was confirmed. Draw more "
            "prompts, or ask for seeds that differ: --diverse style"
        )
    refuse_intervention(use.origin)
    return TOOLS[tool](use)
