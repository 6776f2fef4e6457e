"""Text for AUTOMATIC1111 and Forge: generation parameters, and a line for the X/Y/Z plot."""

import json
import re

from goldenseed.output.tools.base import Guide, Use, added_notes, cfg_scale, steps_words
from goldenseed.output.tools.samplers import is_karras, sampler_names
from goldenseed.steps.seed_lists.origin import Origin


def guide(use: Use) -> Guide:
    """Write infotexts, one for each seed, and the line of all seeds."""
    origin = use.origin
    texts = [_infotext(use, seed) for seed in use.seeds]
    line = ", ".join(map(str, use.seeds))
    content = "\n\n".join(
        [
            "Paste into the prompt field, and press the arrow below `Generate`:",
            texts[0],
            "For all seeds: Script `X/Y/Z plot`, X type `Seed`, X values:",
            line,
        ]
    )
    start = (
        "the same with the random number source CPU"
        if origin.noise == "torch-cpu"
        else "the same with the source NV, or with GPU on an NVIDIA card"
    )
    return Guide(
        content,
        start,
        steps_words(origin, "the same, with an eta noise seed delta (ENSD) of 0"),
        (
            f"Settings > Stable Diffusion > Random number generator source: {_source(origin)}.",
            "Batch size 1: the second image of a batch gets the seed + 1.",
            *_sampler_notes(origin),
            *added_notes(origin),
        ),
        {"infotexts": texts, "xyz_plot": {"x_type": "Seed", "x_values": line}},
    )


def _infotext(use: Use, seed: int) -> str:
    """Write the generation parameters that A1111 writes into its images, and reads back.

    The form is that of `create_infotext` in modules/processing.py: prompt, negative prompt, and a
    last line of "name: value". Each prompt is put on one line: a line of it that begins with
    "Negative prompt:" would be read as such. Brackets, which would weight words, are escaped as
    `parse_prompt_attention` in modules/prompt_parser.py wants it.
    """
    origin = use.origin
    width, height = origin.size
    fields = {
        "Steps": origin.steps,
        "Sampler": sampler_names(origin).a1111 or origin.scheduler,
        **({"Schedule type": "Karras"} if is_karras(origin) else {}),
        "CFG scale": f"{cfg_scale(origin):g}",
        "Seed": seed,
        "Size": f"{width}x{height}",
        "Model": origin.card,
        **({"Eta DDIM": f"{origin.eta:g}"} if origin.eta else {}),
        "RNG": _source(origin),
    }
    last = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in fields.items())
    own = _plain(origin.negative_prompt)
    negative = f"\nNegative prompt: {own}" if own else ""
    return f"{_plain(use.prompt)}{negative}\n{last}"


def _plain(prompt: str) -> str:
    return re.sub(r"([\\()\[\]])", r"\\\1", " ".join(prompt.split()))


def _quoted(text: str) -> str:
    """Quote a value as `quote` in modules/infotext_utils.py."""
    return json.dumps(text, ensure_ascii=False) if set(text) & set(",:\n") else text


def _source(origin: Origin) -> str:
    return "CPU" if origin.noise == "torch-cpu" else "NV"


def _sampler_notes(origin: Origin) -> tuple[str, ...]:
    if not sampler_names(origin).a1111:
        return (f"A1111 has no sampler that is diffusers' {origin.scheduler}: choose the nearest.",)
    return ("Samplers of one name differ between programs in how they space their steps.",)
