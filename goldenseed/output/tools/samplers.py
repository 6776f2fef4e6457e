"""Names that other tools give to the schedulers of diffusers.

Sources: `SAMPLERS` and `SCHEDULERS` in comfy/samplers.py (comfyanonymous/ComfyUI);
`samplers_k_diffusion` in modules/sd_samplers_kdiffusion.py (AUTOMATIC1111/stable-diffusion-webui);
the table "Schedulers" in the documentation of diffusers, with the names of k-diffusion and A1111.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from goldenseed.steps.seed_lists.origin import Origin


@dataclass(frozen=True)
class SamplerNames:
    """A scheduler in other tools; empty where a tool has none.

    Attributes:
        a1111: Sampler of AUTOMATIC1111 and Forge.
        comfyui: `sampler_name` of ComfyUI's node KSampler.
        spacing: `scheduler` of the same node.
        others: Name in InvokeAI and Draw Things.
    """

    a1111: str
    comfyui: str
    spacing: str
    others: str


_NAMES: Mapping[str, SamplerNames] = MappingProxyType(
    {
        "DDIMScheduler": SamplerNames("DDIM", "ddim", "ddim_uniform", "DDIM"),
        "DEISMultistepScheduler": SamplerNames("", "deis", "normal", "DEIS"),
        "DPMSolverMultistepScheduler": SamplerNames("DPM++ 2M", "dpmpp_2m", "normal", "DPM++ 2M"),
        "EulerDiscreteScheduler": SamplerNames("Euler", "euler", "normal", "Euler"),
        "EulerAncestralDiscreteScheduler": SamplerNames(
            "Euler a", "euler_ancestral", "normal", "Euler Ancestral"
        ),
        "FlowMatchEulerDiscreteScheduler": SamplerNames("Euler", "euler", "simple", "Euler"),
        "HeunDiscreteScheduler": SamplerNames("Heun", "heun", "normal", "Heun"),
        "KDPM2DiscreteScheduler": SamplerNames("DPM2", "dpm_2", "normal", "DPM 2"),
        "KDPM2AncestralDiscreteScheduler": SamplerNames(
            "DPM2 a", "dpm_2_ancestral", "normal", "DPM 2 Ancestral"
        ),
        "LCMScheduler": SamplerNames("LCM", "lcm", "sgm_uniform", "LCM"),
        "LMSDiscreteScheduler": SamplerNames("LMS", "lms", "normal", "LMS"),
        "PNDMScheduler": SamplerNames("PLMS", "", "", "PNDM"),
        "UniPCMultistepScheduler": SamplerNames("UniPC", "uni_pc", "normal", "UniPC"),
    }
)
"""Diffusers' class -> its names."""
_KARRAS = "karras"


def sampler_names(origin: Origin) -> SamplerNames:
    """Look up what other tools call the scheduler; all empty if it is not in the table."""
    names = _NAMES.get(origin.scheduler, SamplerNames("", "", "", ""))
    if "sde" in str(origin.scheduler_config.get("algorithm_type", "")):
        return SamplerNames("", "", "", "")
    if names.comfyui and is_karras(origin):
        return SamplerNames(names.a1111, names.comfyui, _KARRAS, names.others)
    return names


def is_karras(origin: Origin) -> bool:
    """Whether the steps are spaced as by Karras et al."""
    return bool(origin.scheduler_config.get("use_karras_sigmas", False))
