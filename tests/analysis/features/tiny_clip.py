"""Make a CLIP of open_clip's own classes with tiny random weights, in its folder layout."""

import copy
import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from tests.analysis.features.card_files import write_card_file

CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 2,
    },
}


PROJ_BIAS: dict[str, Any] = {
    **CONFIG,
    "custom_text": True,
    "text_cfg": {**CONFIG["text_cfg"], "proj_bias": True},
}
"""Settings of a text tower whose projection is a layer instead of a matrix, like SigLIP's."""


def random_clip(seed: int = 0, config: dict[str, Any] = CONFIG) -> open_clip.CLIP:
    """Make the network with random weights everywhere, so that no part of it is trivial."""
    own = copy.deepcopy(config)
    kind = open_clip.CustomTextCLIP if own.pop("custom_text", False) else open_clip.CLIP
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        network = kind(**own)
    for values in network.parameters():
        values.data = torch.randn(values.shape, generator=generator) * 0.2
    return network.eval()


def write_folder(folder: Path, seed: int = 0, config: dict[str, Any] = CONFIG) -> Path:
    """Write a checkpoint as open_clip's hub repositories hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    network = random_clip(seed, config)
    weights = {name: values.contiguous() for name, values in network.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "interpolation": "bicubic"}
    whole = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(whole), encoding="utf-8")
    return folder


def write_card(folder: Path, config: dict[str, Any] = CONFIG) -> Path:
    """Write a checkpoint and its card."""
    weights = write_folder(folder / "clip", config=config)
    return write_card_file(folder, "clip", weights, options={"width": CONFIG["embed_dim"]})
