"""Names that other programs use for settings and schedulers, for the hints of error messages.

The programs are AUTOMATIC1111's web UI, ComfyUI and InvokeAI. The schedulers are those that the
documentation of diffusers gives for them (docs/source/en/api/schedulers/overview.md).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

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

SAMPLERS: Mapping[str, tuple[str, Mapping[str, object]]] = MappingProxyType(
    {
        "ddim": ("DDIMScheduler", {}),
        "ddpm": ("DDPMScheduler", {}),
        "deis": ("DEISMultistepScheduler", {}),
        "dpm2": ("KDPM2DiscreteScheduler", {}),
        "dpm2a": ("KDPM2AncestralDiscreteScheduler", {}),
        "dpm2ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
        "dpmpp2m": ("DPMSolverMultistepScheduler", {}),
        "dpmpp2msde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        "dpmpp2s": ("DPMSolverSinglestepScheduler", {}),
        "dpmpp2sa": ("DPMSolverSinglestepScheduler", {}),
        "dpmpp2sancestral": ("DPMSolverSinglestepScheduler", {}),
        "dpmpp3m": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
        "dpmpp3msde": (
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
        ),
        "dpmppsde": ("DPMSolverSinglestepScheduler", {}),
        "euler": ("EulerDiscreteScheduler", {}),
        "eulera": ("EulerAncestralDiscreteScheduler", {}),
        "eulerancestral": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "ipndm": ("IPNDMScheduler", {}),
        "kdpm2": ("KDPM2DiscreteScheduler", {}),
        "kdpm2a": ("KDPM2AncestralDiscreteScheduler", {}),
        "lcm": ("LCMScheduler", {}),
        "lms": ("LMSDiscreteScheduler", {}),
        "plms": ("PNDMScheduler", {}),
        "pndm": ("PNDMScheduler", {}),
        "tcd": ("TCDScheduler", {}),
        "unipc": ("UniPCMultistepScheduler", {}),
    }
)
"""Sampler of another program, without separators -> scheduler class and its settings."""

SPACINGS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "beta": {"use_beta_sigmas": True},
        "exponential": {"use_exponential_sigmas": True},
        "k": {"use_karras_sigmas": True},
        "karras": {"use_karras_sigmas": True},
        "normal": {},
        "trailing": {"timestep_spacing": "trailing"},
        "uniform": {"timestep_spacing": "trailing"},
    }
)
"""Last word of a sampler's name -> settings for its noise levels; "uniform" is "sgm_uniform"."""


def our_field(name: str) -> str:
    """Give our name for a field of another program; empty if there is none.

    Example:
        >>> our_field("cfg_scale"), our_field("colour")
        ('guidance_scale', '')
    """
    return FIELDS.get(re.sub(r"[\s_-]", "", name.casefold()), "")


def diffusers_scheduler(name: str) -> tuple[str, dict[str, object]] | None:
    """Give the scheduler of diffusers, with its settings, for a sampler of another program.

    Example:
        >>> diffusers_scheduler("DPM++ 2M Karras")
        ('DPMSolverMultistepScheduler', {'use_karras_sigmas': True})
        >>> diffusers_scheduler("euler_ancestral")
        ('EulerAncestralDiscreteScheduler', {})
    """
    words = re.split(r"[\s_-]+", name.strip().casefold().replace("++", "pp"))
    words = [word for word in words if word not in ("gpu", "sgm")]
    if len(words) > 1 and words[0] in ("k", "sample"):
        words = words[1:]  # k-diffusion's own names
    config: dict[str, object] = {}
    if len(words) > 1 and words[-1] in SPACINGS:
        config = dict(SPACINGS[words.pop()])
    if "".join(words) not in SAMPLERS:
        return None
    scheduler, settings = SAMPLERS["".join(words)]
    return scheduler, {**settings, **config}


def scheduler_hint(name: str) -> str:
    """Say what to write for a sampler of another program; empty if it is none.

    Example:
        >>> scheduler_hint("dpmpp_2m")
        "did you mean 'DPMSolverMultistepScheduler'? "
    """
    known = diffusers_scheduler(name)
    if known is None:
        return ""
    scheduler, config = known
    settings = ", ".join(
        f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
        for key, value in config.items()
    )
    extra = f" with `scheduler_config: {{{settings}}}`" if settings else ""
    return f"did you mean {scheduler!r}{extra}? "
