"""Full-size diffusion models with random weights, to be timed without a download.

How fast a network is does not depend on its weights. The configs are those that ship for single
files, or those of diffusers' classes. Texts are random embeddings: no text encoder is loaded, since
goldenseed encodes each text once for all its images.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch

import pipeline.models as families

CONFIGS = Path(families.__file__).parent / "single_file_configs"
EULER_FLOW = "FlowMatchEulerDiscreteScheduler"
SHIFTED = (EULER_FLOW, {"use_dynamic_shifting": True})

Embeddings = Callable[[int], dict[str, Any]]
"""Number of images -> the arguments that stand for their texts."""


@dataclass(frozen=True)
class Subject:
    """A model at full size, and how its users call it.

    Attributes:
        pipeline: Its pipeline in diffusers.
        denoiser: Name of the network that each step calls: unet or transformer.
        networks: Name of a component -> its class in diffusers, and its config or the folder of
            the shipped configs that has it.
        scheduler: Class of the scheduler, and its config or the folder that has it.
        size: Pixels of a side.
        call: Steps, guidance and further arguments of the call.
        embeddings: What stands for the texts.
    """

    pipeline: str
    denoiser: str
    networks: Mapping[str, tuple[str, Mapping[str, Any] | str]]
    scheduler: tuple[str, Mapping[str, Any] | str]
    size: int
    call: Mapping[str, Any]
    embeddings: Embeddings = field(repr=False)

    def network(self, name: str) -> torch.nn.Module:
        """Make one network, with random weights, on torch's default device."""
        network: torch.nn.Module = _made(*self.networks[name], f"{name}/config.json")
        return network.eval().requires_grad_(requires_grad=False)

    def build(self, device: torch.device, dtype: torch.dtype) -> Any:  # noqa: ANN401 - untyped
        """Make the pipeline, without text encoders, on a device."""
        kind = getattr(diffusers, self.pipeline)
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with device:
                networks = {name: self.network(name) for name in self.networks}
        finally:
            torch.set_default_dtype(before)
        scheduler = _made(*self.scheduler, "scheduler/scheduler_config.json")
        names = [name for name in kind._get_signature_types() if name not in networks]
        absent = dict.fromkeys(name for name in names if name.startswith(("text_", "tokenizer")))
        more = {"requires_safety_checker": False} if "safety_checker" in names else {}
        absent |= dict.fromkeys(n for n in ("safety_checker", "feature_extractor") if n in names)
        pipe = kind(**networks, **absent, **more, scheduler=scheduler)
        pipe.set_progress_bar_config(disable=True)
        return pipe.to(device, dtype)


def _made(kind: str, config: Mapping[str, Any] | str, file: str) -> Any:  # noqa: ANN401
    """Make a component from its config, or from the file of it below a folder of configs."""
    if isinstance(config, str):
        config = json.loads((CONFIGS / config / file).read_text("utf-8"))
    return getattr(diffusers, kind).from_config(config)


def random(*shape: int) -> torch.Tensor:
    """Random embeddings, on torch's default device."""
    return torch.randn(shape)


def clip_texts(width: int) -> Embeddings:
    """The texts of Stable Diffusion 1 and 2."""
    return lambda count: {
        "prompt_embeds": random(count, 77, width),
        "negative_prompt_embeds": random(count, 77, width),
    }


SUBJECTS = {
    "sd2-base": Subject(
        "StableDiffusionPipeline", "unet",
        {"unet": ("UNet2DConditionModel", "sd2-base"), "vae": ("AutoencoderKL", "sd2-base")},
        ("DDIMScheduler", "sd2-base"), 512, {"num_inference_steps": 40, "guidance_scale": 7.5},
        clip_texts(1024),
    ),
    "sdxl-turbo": Subject(
        "StableDiffusionXLPipeline", "unet",
        {"unet": ("UNet2DConditionModel", "sdxl"), "vae": ("AutoencoderKL", "sdxl")},
        ("EulerAncestralDiscreteScheduler", "sdxl"), 512,
        {"num_inference_steps": 1, "guidance_scale": 0.0},
        lambda count: {
            "prompt_embeds": random(count, 77, 2048), "pooled_prompt_embeds": random(count, 1280),
        },
    ),
    "sd35-large": Subject(
        "StableDiffusion3Pipeline", "transformer",
        {
            "transformer": ("SD3Transformer2DModel", "sd35-large"),
            "vae": ("AutoencoderKL", "sd35-large"),
        },
        (EULER_FLOW, "sd35-large"), 1024, {"num_inference_steps": 28, "guidance_scale": 3.5},
        lambda count: {
            "prompt_embeds": random(count, 333, 4096),
            "negative_prompt_embeds": random(count, 333, 4096),
            "pooled_prompt_embeds": random(count, 2048),
            "negative_pooled_prompt_embeds": random(count, 2048),
        },
    ),
    "z-image-turbo": Subject(
        "ZImagePipeline", "transformer",
        {
            "transformer": ("ZImageTransformer2DModel", "z-image-turbo"),
            "vae": ("AutoencoderKL", "z-image-turbo"),
        },
        (EULER_FLOW, "z-image-turbo"), 1024, {"num_inference_steps": 9, "guidance_scale": 0.0},
        lambda count: {"prompt_embeds": [random(64, 2560) for _ in range(count)]},
    ),
    "flux2-klein": Subject(
        "Flux2KleinPipeline", "transformer",
        {
            "transformer": (
                "Flux2Transformer2DModel",
                {
                    "num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24,
                    "joint_attention_dim": 7680, "guidance_embeds": False,
                },
            ),
            "vae": ("AutoencoderKLFlux2", {}),
        },
        SHIFTED, 1024, {"num_inference_steps": 4, "guidance_scale": 1.0},
        lambda count: {"prompt_embeds": random(count, 512, 7680)},
    ),
    "qwen-image": Subject(
        "QwenImagePipeline", "transformer",
        {"transformer": ("QwenImageTransformer2DModel", {}), "vae": ("AutoencoderKLQwenImage", {})},
        SHIFTED, 1024, {"num_inference_steps": 50},
        lambda count: {
            "prompt_embeds": random(count, 64, 3584),
            "prompt_embeds_mask": torch.ones(count, 64, dtype=torch.long),
        },
    ),
}  # fmt: skip
"""Name -> model. Steps and guidance are those of each model's page."""
