"""Adds LoRAs to the weights of a pipeline's networks.

For each layer, up times down times alpha over rank, times the LoRA's weight in the card, is added
to the layer's weight (Hu et al. 2021, section 4.1). Diffusers reads the spellings of names. The sum
is made in float32 and stored in the networks' dtype. The library's own loader is not used, because
it passes over layers that do not fit with a warning.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from safetensors.torch import load_file

from pipeline.cards.card import Card, ResolvedCard
from pipeline.errors import ModelError

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
"""Ends of the names of a layer's two matrices, in the spelling of peft."""

TEXT_NAMES = (
    (r"\.to_(q|k|v)_lora\.", r".\1_proj.lora_linear_layer."),
    (r"\.to_out_lora\.", ".out_proj.lora_linear_layer."),
    (r"\.lora_linear_layer\.down\.", ".lora_A."),
    (r"\.lora_linear_layer\.up\.", ".lora_B."),
)
"""Older spellings of a text encoder's layers -> that of peft."""

UNREAD = {
    "dora_scale": "DoRA", "lora_magnitude_vector": "DoRA", "hada_w1": "LoHa", "lokr_w1": "LoKr",
}  # fmt: skip
"""Part of a name -> the kind of adapter, of which only the plain LoRA is read."""

Tensors = Mapping[str, torch.Tensor]


def add_loras(pipe: Any, card: Card, resolved: ResolvedCard) -> None:  # noqa: ANN401
    """Add a card's LoRAs to the networks of its pipeline.

    Args:
        pipe: The pipeline, whose weights are changed.
        card: Its card.
        resolved: The files of the LoRAs.

    Raises:
        ModelError: If a file is no LoRA, is of a kind that is not read, or changes a layer that the
            networks do not have, or have in another shape.
    """
    for lora, file in zip(card.loras, resolved.loras, strict=True):
        for (component, layer), change in _changes(pipe, card, file).items():
            weight = _weight_of(pipe, component, layer)
            if weight is None or weight.shape != change.shape:
                found = "no such layer" if weight is None else f"shape {tuple(weight.shape)}"
                raise ModelError(
                    f"card {card.name}: {file} is a LoRA for another model: it changes {layer} of "
                    f"{component} by a matrix of shape {tuple(change.shape)}, and "
                    f"{type(pipe).__name__} has {found} there; take a LoRA for this family"
                )
            with torch.no_grad():
                weight.copy_(weight.float() + lora.weight * change.to(weight.device))


def _weight_of(pipe: Any, component: str, layer: str) -> torch.Tensor | None:  # noqa: ANN401
    network: Any = getattr(pipe, component, None)
    for name in (layer, layer.removeprefix("text_model.")):
        try:
            weight: torch.Tensor = network.get_submodule(name).weight
        except AttributeError:
            continue
        return weight
    return None


def _changes(pipe: Any, card: Card, file: Path) -> dict[tuple[str, str], torch.Tensor]:  # noqa: ANN401
    """Compute what a LoRA adds to each layer: component and layer -> matrix, float32."""
    state, alphas = _read(pipe, card, file)
    layers = {name.removesuffix(DOWN) for name in state if name.endswith(DOWN)}
    odd = sorted({layer + end for layer in layers for end in (DOWN, UP)} ^ set(state))
    if odd or not layers:
        raise ModelError(
            f"card {card.name}: {file} is no complete LoRA: each layer has a matrix down and one "
            f"up; {odd[0] if odd else 'it has none'} is without its other half or unknown"
        )
    changes = {}
    for layer in layers:
        down, up = state[layer + DOWN].float(), state[layer + UP].float()
        scale = float(alphas.get(layer, len(down))) / len(down)
        component, _, inner = layer.partition(".")
        product = up.flatten(1) @ down.flatten(1)
        changes[component, inner] = scale * product.view(len(up), *down.shape[1:])
    return changes


def _read(pipe: Any, card: Card, file: Path) -> tuple[Tensors, Mapping[str, Any]]:  # noqa: ANN401
    """Read matrices and alphas by the names that peft uses, with the component in front."""
    tensors = load_file(file)
    _refuse_others(tensors, f"card {card.name}: {file}")
    if not hasattr(pipe, "lora_state_dict"):
        raise ModelError(f"card {card.name}: {type(pipe).__name__} takes no LoRA; remove `loras`")
    more = {"unet_config": pipe.unet.config} if hasattr(pipe, "unet") else {}
    try:
        read = pipe.lora_state_dict(tensors, **more)
    except (ValueError, KeyError, IndexError, RuntimeError, TypeError) as error:
        raise ModelError(
            f"card {card.name}: {file} is a LoRA whose layers diffusers cannot read for "
            f"{type(pipe).__name__}: {error}; take a LoRA for this family"
        ) from error
    state, alphas = read if isinstance(read, tuple) else (read, {})
    plain = {name.removesuffix(".alpha"): value for name, value in (alphas or {}).items()}
    scales = {name.removesuffix(DOWN): value for name, value in _peft_names(plain).items()}
    return _peft_names(state), scales


def _peft_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert names to those of peft, with the component in front."""
    found: dict[str, Any] = {}
    for component in dict.fromkeys(name.partition(".")[0] for name in values):
        own = {k: v for k, v in values.items() if k.partition(".")[0] == component}
        inner = {name.partition(".")[2]: value for name, value in own.items()}
        named = convert_unet_state_dict_to_peft(inner) if component == "unet" else _renamed(inner)
        found |= {f"{component}.{name}": value for name, value in named.items()}
    return found


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {}
    for name, value in values.items():
        new = f".{name}"
        for pattern, replacement in TEXT_NAMES:
            new = re.sub(pattern, replacement, new)
        renamed[new.removeprefix(".")] = value
    return renamed


def _refuse_others(names: Iterable[str], who: str) -> None:
    """Refuse a file that is no plain LoRA."""
    listed: Sequence[str] = list(names)
    for part, kind in UNREAD.items():
        if any(part in name for name in listed):
            raise ModelError(
                f"{who} is an adapter of the kind {kind}; only plain LoRAs are read: merge it into "
                f"the model with the tool that made it"
            )
    if not any("lora" in name for name in listed):
        raise ModelError(
            f"{who} is no LoRA: none of its {len(listed)} tensors has lora in its name; a whole "
            f"model is the card's `path`"
        )
