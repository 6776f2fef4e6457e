"""Names that other tools give to the schedulers of diffusers.

Each name is one of the tool's own list. The lists were read in the source of the tools:

- AUTOMATIC1111/stable-diffusion-webui: `samplers_k_diffusion` in modules/sd_samplers_kdiffusion.py,
  `samplers_timesteps` in modules/sd_samplers_timesteps.py, modules/sd_samplers_lcm.py
- Comfy-Org/ComfyUI: `KSAMPLER_NAMES` and `SCHEDULER_HANDLERS` in comfy/samplers.py
- invoke-ai/InvokeAI: `SCHEDULER_OPTIONS` in
  invokeai/frontend/web/src/features/parameters/types/constants.ts
- vladmandic/sdnext: `samplers_data_diffusers` in modules/sd_samplers_diffusers.py
- drawthingsai/draw-things-community: `SamplerType` in Libraries/DataModels/Sources/config.fbs
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from goldenseed.steps.seed_lists.origin import Origin


@dataclass(frozen=True)
class SamplerNames:
    """A scheduler in other tools; empty where a tool has none.

    Attributes:
        a1111: Sampler of AUTOMATIC1111 and Forge.
        comfyui: `sampler_name` of ComfyUI's node KSampler.
        spacing: `scheduler` of the same node.
        invokeai: Scheduler of InvokeAI.
        sdnext: Sampler of SD.Next.
        drawthings: Sampler of Draw Things.
    """

    a1111: str = ""
    comfyui: str = ""
    spacing: str = ""
    invokeai: str = ""
    sdnext: str = ""
    drawthings: str = ""


NAMES: Mapping[str, SamplerNames] = MappingProxyType(
    {
        "DDIMScheduler": SamplerNames("DDIM", "ddim", "ddim_uniform", "DDIM", "DDIM", "DDIM"),
        "DEISMultistepScheduler": SamplerNames("", "deis", "normal", "DEIS", "DEIS"),
        "DPMSolverMultistepScheduler": SamplerNames(
            "DPM++ 2M", "dpmpp_2m", "normal", "DPM++ 2M", "DPM++ 2M"
        ),
        "EulerDiscreteScheduler": SamplerNames("Euler", "euler", "normal", "Euler", "Euler"),
        "EulerAncestralDiscreteScheduler": SamplerNames(
            "Euler a", "euler_ancestral", "normal", "Euler Ancestral", "Euler a", "Euler A"
        ),
        "FlowMatchEulerDiscreteScheduler": SamplerNames(
            "Euler", "euler", "simple", "Euler", "Euler FlowMatch"
        ),
        "HeunDiscreteScheduler": SamplerNames("Heun", "heun", "normal", "Heun", "Heun"),
        "KDPM2DiscreteScheduler": SamplerNames("DPM2", "dpm_2", "normal", "KDPM 2", "KDPM2"),
        "KDPM2AncestralDiscreteScheduler": SamplerNames(
            "DPM2 a", "dpm_2_ancestral", "normal", "KDPM 2 Ancestral", "KDPM2 a"
        ),
        "LCMScheduler": SamplerNames("LCM", "lcm", "sgm_uniform", "LCM", "LCM", "LCM"),
        "LMSDiscreteScheduler": SamplerNames("LMS", "lms", "normal", "LMS", "LMSD"),
        "PNDMScheduler": SamplerNames("PLMS", "", "", "PNDM", "PNDM", "PLMS"),
        "UniPCMultistepScheduler": SamplerNames(
            "UniPC", "uni_pc", "normal", "UniPC", "UniPC", "UniPC"
        ),
    }
)
"""Diffusers' class -> its names."""
_KARRAS_IN_DRAW_THINGS: Mapping[str, str] = MappingProxyType(
    {"DPMSolverMultistepScheduler": "DPM++ 2M Karras"}
)


def sampler_names(origin: Origin) -> SamplerNames:
    """Look up what other tools call the scheduler; all empty if it is not in the table."""
    if "sde" in str(origin.scheduler_config.get("algorithm_type", "")):
        return SamplerNames()
    names = NAMES.get(origin.scheduler, SamplerNames())
    return _with_karras(names, origin.scheduler) if is_karras(origin) else names


def _with_karras(names: SamplerNames, scheduler: str) -> SamplerNames:
    """Name the sampler with Karras' steps. A1111 and SD.Next have a separate field for these."""
    return replace(
        names,
        spacing=names.spacing and "karras",
        invokeai=names.invokeai and f"{names.invokeai} Karras",
        drawthings=_KARRAS_IN_DRAW_THINGS.get(scheduler, ""),
    )


def is_karras(origin: Origin) -> bool:
    """Whether the steps are spaced as by Karras et al."""
    return bool(origin.scheduler_config.get("use_karras_sigmas", False))
