"""Names that other programs use for settings and schedulers, for the hints of error messages.

The programs are AUTOMATIC1111's web UI, ComfyUI, InvokeAI, and k-diffusion, whose names they use.
The schedulers and their settings are those that the documentation of diffusers gives
(docs/source/en/api/schedulers/overview.md).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from pipeline.cards.diffusers_source import arguments

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "batch": "batch_size", "cfg": "guidance_scale", "cfgscale": "guidance_scale",
        "checkpoint": "card", "ckpt": "card", "end": "count", "file": "source",
        "guidance": "guidance_scale", "h": "height", "ids": "chosen", "limit": "count",
        "list": "chosen", "model": "card", "n": "count", "negative": "negative_prompt",
        "numseeds": "count", "numsteps": "num_inference_steps", "path": "source",
        "precision": "dtype", "prompt": "prompts", "sampler": "scheduler",
        "samplername": "scheduler", "samplingsteps": "num_inference_steps",
        "schedulername": "scheduler", "seed": "seeds", "steps": "num_inference_steps",
        "stop": "count", "torchdtype": "dtype", "values": "chosen", "w": "width",
    }
)  # fmt: skip
"""Key of another program, without underscores and case -> our field."""

SDE = {"algorithm_type": "sde-dpmsolver++"}

SAMPLERS: Mapping[str, tuple[str, Mapping[str, object]]] = MappingProxyType(
    {
        "ddim": ("DDIMScheduler", {}),
        "ddpm": ("DDPMScheduler", {}),
        "deis": ("DEISMultistepScheduler", {}),
        "dpm2": ("KDPM2DiscreteScheduler", {}),
        "dpm2a": ("KDPM2AncestralDiscreteScheduler", {}),
        "dpm2ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
        "dpmpp": ("DPMSolverMultistepScheduler", {}),
        "dpmpp2": ("DPMSolverMultistepScheduler", {}),
        "dpmpp2m": ("DPMSolverMultistepScheduler", {}),
        "dpmpp2msde": ("DPMSolverMultistepScheduler", SDE),
        "dpmpp2msdeheun": ("DPMSolverMultistepScheduler", {**SDE, "solver_type": "heun"}),
        "dpmpp2s": ("DPMSolverSinglestepScheduler", {}),
        "dpmpp2sa": ("DPMSolverSinglestepScheduler", {}),
        "dpmpp2sancestral": ("DPMSolverSinglestepScheduler", {}),
        "dpmpp3m": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
        "dpmpp3msde": ("DPMSolverMultistepScheduler", {**SDE, "solver_order": 3}),
        "dpmppsde": ("DPMSolverSinglestepScheduler", {}),
        "dpmsolver": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver"}),
        "dpmsolverpp": ("DPMSolverMultistepScheduler", {}),
        "dpmsolverppsde": ("DPMSolverMultistepScheduler", SDE),
        "euler": ("EulerDiscreteScheduler", {}),
        "eulera": ("EulerAncestralDiscreteScheduler", {}),
        "eulerancestral": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "ipndm": ("IPNDMScheduler", {}),
        "kdpm2": ("KDPM2DiscreteScheduler", {}),
        "kdpm2a": ("KDPM2AncestralDiscreteScheduler", {}),
        "kdpm2ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
        "lcm": ("LCMScheduler", {}),
        "lms": ("LMSDiscreteScheduler", {}),
        "plms": ("PNDMScheduler", {}),
        "pndm": ("PNDMScheduler", {}),
        "sasolver": ("SASolverScheduler", {}),
        "tcd": ("TCDScheduler", {}),
        "unipc": ("UniPCMultistepScheduler", {}),
        "unipcbh2": ("UniPCMultistepScheduler", {"solver_type": "bh2"}),
    }
)
"""Sampler of another program, letters and digits alone -> scheduler class and its settings."""

WITHOUT_COUNTERPART = (
    "ddimcfgpp", "dpmadaptive", "dpmfast", "dpmpp2mcfgpp", "dpmpp2sancestralcfgpp", "ersde",
    "eulerancestralcfgpp", "eulercfgpp", "gradientestimation", "heunpp2", "ipndmv", "restart",
    "resmultistep", "resmultistepancestral", "resmultistepancestralcfgpp", "resmultistepcfgpp",
    "sasolverpece", "seeds2", "seeds3",
)  # fmt: skip
"""Samplers of other programs that diffusers does not have."""

SPACINGS: Mapping[str, Mapping[str, object] | None] = MappingProxyType(
    {
        "alignyoursteps": None,
        "automatic": {},
        "beta": {"timestep_spacing": "linspace", "use_beta_sigmas": True},
        "ddimuniform": {"timestep_spacing": "leading"},
        "exponential": {"timestep_spacing": "linspace", "use_exponential_sigmas": True},
        "k": {"use_karras_sigmas": True},
        "karras": {"use_karras_sigmas": True},
        "kloptimal": None,
        "linearquadratic": None,
        "normal": {},
        "polyexponential": None,
        "sgmuniform": {"timestep_spacing": "trailing"},
        "simple": {"timestep_spacing": "trailing"},
        "trailing": {"timestep_spacing": "trailing"},
        "turbo": None,
        "uniform": {},
    }
)
"""End of a sampler's name -> settings for the noise levels; None: diffusers has no counterpart."""


def our_field(name: str) -> str:
    """Give our name for a field of another program; empty if there is none.

    Example:
        >>> our_field("cfg_scale"), our_field("colour")
        ('guidance_scale', '')
    """
    return FIELDS.get(re.sub(r"[\s_-]", "", name.casefold()), "")


def diffusers_scheduler(name: str) -> tuple[str, dict[str, object], str] | None:
    """Give the scheduler of diffusers, with its settings, for a sampler of another program.

    Args:
        name: The name in any spelling, with or without its noise levels ("karras").

    Returns:
        The class, its settings, and the noise levels that it does not have ("" if it has all);
        None if the name is not known.

    Example:
        >>> diffusers_scheduler("DPM++ 2M Karras")
        ('DPMSolverMultistepScheduler', {'use_karras_sigmas': True}, '')
        >>> diffusers_scheduler("euler_ancestral / karras")
        ('EulerAncestralDiscreteScheduler', {}, 'karras')
    """
    sampler, spacing = _split(_letters(name))
    if sampler not in SAMPLERS:
        return None
    scheduler, settings = SAMPLERS[sampler]
    levels = SPACINGS.get(spacing, {})
    readable = arguments("schedulers", scheduler, "__init__")
    if levels is None or not readable.issuperset(levels):
        return scheduler, dict(settings), spacing
    return scheduler, {**settings, **levels}, ""


def _letters(name: str) -> str:
    """Give the letters and digits of a name, without what says only where noise is drawn."""
    letters = re.sub(r"[^a-z0-9]", "", name.casefold().replace("++", "pp"))
    return letters.replace("gpu", "")


def _split(letters: str) -> tuple[str, str]:
    """Split a name into its sampler and its noise levels; k-diffusion's prefixes are left out."""
    known = {*SAMPLERS, *WITHOUT_COUNTERPART}
    for start in ("", "sample", "k"):
        rest = letters.removeprefix(start)
        for spacing in ("", *sorted(SPACINGS, key=len, reverse=True)):
            if rest.endswith(spacing) and rest.removesuffix(spacing) in known:
                return rest.removesuffix(spacing), spacing
    return "", ""


def scheduler_hint(name: str) -> str:
    """Say what to write for a sampler of another program; empty if it is none.

    Example:
        >>> scheduler_hint("dpmpp_2m")
        "did you mean 'DPMSolverMultistepScheduler'? "
        >>> scheduler_hint("DPM adaptive")
        'diffusers has no counterpart of this sampler of other programs; '
    """
    if _split(_letters(name))[0] in WITHOUT_COUNTERPART:
        return "diffusers has no counterpart of this sampler of other programs; "
    known = diffusers_scheduler(name)
    if known is None:
        return ""
    scheduler, config, missing = known
    settings = ", ".join(
        f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
        for key, value in config.items()
    )
    extra = f" with `scheduler_config: {{{settings}}}`" if settings else ""
    lacks = f" (without {missing!r}, which it does not have)" if missing else ""
    return f"did you mean {scheduler!r}{extra}{lacks}? "
