"""Text for tools that are set by hand: InvokeAI, SD.Next and Draw Things."""

from goldenseed.output.tools.base import (
    Guide,
    Use,
    added_notes,
    cfg_scale,
    settings_lines,
    steps_words,
)
from goldenseed.output.tools.samplers import is_karras, sampler_names


def invokeai(use: Use) -> Guide:
    """Say what to set in InvokeAI."""
    origin = use.origin
    cpu = origin.noise == "torch-cpu"
    how = "on (the default)" if cpu else "off, which works on an NVIDIA GPU only"
    steps = [
        f"Use CPU Noise: {how}. In a workflow: `use_cpu={cpu}` of the node Noise.",
        "Iterations 1, or one image per seed: InvokeAI draws each image of a list from its seed.",
    ]
    start = "the same" if cpu else "the same on an NVIDIA GPU"
    own = "another: a new generator whose seed has all bits flipped"
    if origin.eta:
        own = f"none: its eta is always 0, and these seeds were drawn with {origin.eta:g}"
    return _guide(use, sampler_names(origin).invokeai, steps, start, own)


def sdnext(use: Use) -> Guide:
    """Say what to set in SD.Next."""
    origin = use.origin
    device = "CPU" if origin.noise == "torch-cpu" else "GPU"
    steps = [
        f"Settings > Diffusers > Generator device: {device}. Images do not record this setting.",
        "Batch size 1: the second image of a batch gets the seed + 1.",
    ]
    if is_karras(origin):
        steps.append("Sigma method of the sampler: karras.")
    start = "the same" if device == "CPU" else "the same on an NVIDIA GPU"
    own = "the same, from the same generator"
    return _guide(use, sampler_names(origin).sdnext, steps, start, own)


def drawthings(use: Use) -> Guide:
    """Say what to set in Draw Things."""
    cpu = use.origin.noise == "torch-cpu"
    mode = "Torch CPU Compatible" if cpu else "NVIDIA GPU Compatible"
    steps = [
        f"Advanced > Seed Mode: {mode}. The default, Scale Alike, draws other noise.",
        "Batch size 1.",
    ]
    start = f"meant to be the same in the seed mode {mode}; not compared by us"
    own = "not known: its samplers are its own"
    return _guide(use, sampler_names(use.origin).drawthings, steps, start, own)


def _guide(use: Use, sampler: str, steps: list[str], start: str, own: str) -> Guide:
    origin = use.origin
    there = sampler or f"none that is diffusers' {origin.scheduler}; other samplers draw others"
    lines = [
        *settings_lines(origin),
        f"sampler there: {there}",
        f"guidance scale there: {cfg_scale(origin):g}{' (off)' if origin.guidance <= 1 else ''}",
        f"seeds: {', '.join(map(str, use.seeds))}",
        *steps,
    ]
    content = "\n".join(lines)
    words = steps_words(origin, own)
    return Guide(content, start, words, added_notes(origin), {"text": lines})
