"""LoRAs for tiny pipelines, in the spellings of kohya's scripts and of peft, and merged by hand."""

from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from safetensors.torch import save_file

RANK, ALPHA = 4, 2.0
NAMES = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "q_proj", "out_proj", "fc1")
KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}
KOHYA_XL = {
    "unet": "lora_unet_", "text_encoder": "lora_te1_text_model_",
    "text_encoder_2": "lora_te2_text_model_",
}  # fmt: skip


def layers(pipe: Any, components: Any, seed: int) -> dict[tuple[str, str], tuple[Any, Any]]:  # noqa: ANN401
    """Random matrices (down, up) of layers, by component and name."""
    rng = torch.Generator().manual_seed(seed)
    found = {}
    for component in components:
        for name, module in getattr(pipe, component).named_modules():
            if name.endswith(NAMES) and isinstance(module, torch.nn.Linear):
                down = 0.3 * torch.randn(RANK, module.in_features, generator=rng)
                found[component, name] = (
                    down, 0.3 * torch.randn(module.out_features, RANK, generator=rng)
                )  # fmt: skip
    return found


def write(folder: Path, file: Path, *, spelling: str = "kohya", seed: int = 3) -> Path:
    """Save a LoRA for the pipeline of a folder."""
    pipe = DiffusionPipeline.from_pretrained(str(folder), safety_checker=None)
    prefixes = KOHYA_XL if hasattr(pipe, "text_encoder_2") else KOHYA
    tensors = {}
    for (component, name), (down, up) in layers(pipe, prefixes, seed).items():
        if spelling == "kohya":
            key = prefixes[component] + name.removeprefix("text_model.").replace(".", "_")
            tensors |= {
                f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up,
                f"{key}.alpha": torch.tensor(ALPHA),
            }  # fmt: skip
        else:
            key = f"{component}.{name}"
            scaled = up * (ALPHA / RANK)
            tensors |= {f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": scaled}
    save_file(tensors, file)
    return file


def merge(folder: Path, target: Path, weights: dict[int, float]) -> None:
    """Save a folder with LoRAs (seed -> weight) added by hand."""
    pipe = DiffusionPipeline.from_pretrained(str(folder), safety_checker=None)
    prefixes = KOHYA_XL if hasattr(pipe, "text_encoder_2") else KOHYA
    for seed, weight in weights.items():
        for (component, name), (down, up) in layers(pipe, prefixes, seed).items():
            module = dict(getattr(pipe, component).named_modules())[name]
            module.weight.data += weight * (ALPHA / RANK) * (up @ down)
    pipe.save_pretrained(target)
