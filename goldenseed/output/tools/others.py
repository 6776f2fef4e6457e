"""Text for tools that are set by hand: InvokeAI, SD.Next and Draw Things."""

from goldenseed.output.tools.base import Guide, Use, settings_lines, steps_words
from goldenseed.output.tools.samplers import sampler_names
from goldenseed.steps.seed_lists.origin import Origin


def invokeai(use: Use) -> Guide:
    """Say what to set in InvokeAI."""
    cpu = use.origin.noise == "torch-cpu"
    how = "on (the default)" if cpu else "off, which works on an NVIDIA GPU only"
    steps = [
        f"Use CPU Noise: {how}. In a workflow: `use_cpu={cpu}` of the node Noise.",
        "Iterations 1, or one image per seed: InvokeAI draws each image of a list from its seed.",
    ]
    start = "the same" if cpu else "the same on an NVIDIA GPU"
    own = "another: a new generator whose seed has all bits flipped"
    return _guide(use, steps, start, own)


def sdnext(use: Use) -> Guide:
    """Say what to set in SD.Next."""
    device = "CPU" if use.origin.noise == "torch-cpu" else "GPU"
    steps = [
        f"Settings > Diffusers > Generator device: {device}. Images do not record this setting.",
        "Batch size 1: the second image of a batch gets the seed + 1.",
        f"Sampler {use.origin.scheduler.removesuffix('Scheduler')}: SD.Next draws with diffusers.",
    ]
    start = "the same" if device == "CPU" else "the same on an NVIDIA GPU"
    return _guide(use, steps, start, "the same, from the same generator")


def drawthings(use: Use) -> Guide:
    """Say what to set in Draw Things."""
    mode = "Torch CPU Compatible"
    if use.origin.noise != "torch-cpu":
        mode = "NVIDIA GPU Compatible"
    steps = [
        f"Advanced > Seed Mode: {mode}. The default, Scale Alike, draws other noise.",
        "Batch size 1.",
    ]
    start = f"meant to be the same in the seed mode {mode}; not compared by us"
    return _guide(use, steps, start, "not known: its samplers are its own")


def _guide(use: Use, steps: list[str], start: str, own: str) -> Guide:
    lines = [*_settings(use.origin), f"seeds: {', '.join(map(str, use.seeds))}", *steps]
    content = "\n".join(lines)
    return Guide(content, start, steps_words(use.origin, own), (), {"text": lines})


def _settings(origin: Origin) -> list[str]:
    names = sampler_names(origin).others
    other = [f"sampler there: {names}"] if names else []
    return [*settings_lines(origin), *other]
