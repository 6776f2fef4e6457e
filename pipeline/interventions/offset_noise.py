"""Offset noise: loads weights that were trained with it, which can draw dark and bright images.

Offset noise is a change of *training* (Guttenberg 2023, "Diffusion with Offset Noise",
crosslabs.org): the noise that is added and predicted gets one more random number per image and
channel. Plain noise hardly changes the mean of an image, so the network never learns to change it.
This intervention loads the result: what the training changed in the UNet's weights, either as a
whole difference (written by `python -m seedling.train.offset_noise`) or as a LoRA in any spelling
that diffusers reads (SDXL's offset LoRA is one). Sampling stays as it was. Adding an offset to the
*starting* noise of an ordinary network is a different change and is not done here.

LoRAs were tested with random weights only.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.cards.weights import find_weights
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention, number

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.cards.card import Card

DOWN = ".lora_A.weight"
"""End of the name of a layer's first matrix, in the spelling of peft."""
UP = ".lora_B.weight"
"""End of the name of a layer's second matrix."""


class OffsetNoise(Intervention):
    """Adds to the UNet what training with offset noise changed.

    Args:
        parameters: `weights`, a .safetensors file, absolute or relative to the project; `scale`,
            how much of the change is added, by default 1.

    Raises:
        ValueError: If a parameter is missing or unknown.
    """

    known: ClassVar[tuple[str, ...]] = ("weights", "scale")

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.weights = parameters.get("weights")
        if not self.weights:
            raise ValueError("parameter missing: weights, a .safetensors file")
        self.scale = number("scale", parameters.get("scale", 1.0), low=-math.inf)
        self._before: list[tuple[Tensor, Tensor]] = []

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Add the change to the UNet.

        Raises:
            ModelError: If the file cannot be used, or belongs to another network or to one that
                predicts something else.
        """
        import torch  # not needed by a plan, which only checks the parameters

        unet = getattr(pipe, "unet", None)
        if unet is None:
            raise ModelError(f"card {card.name} has no UNet, and offset_noise changes one")
        state = unet.state_dict()
        for name, change in read_changes(str(self.weights), pipe).items():
            if name not in state or state[name].shape != change.shape:
                shape = tuple(state[name].shape) if name in state else "nothing"
                raise ModelError(
                    f"{self.weights} is not for card {card.name}: it changes {name} of shape "
                    f"{tuple(change.shape)}, and the UNet has {shape} there"
                )
            weight = state[name]
            self._before.append((weight, weight.clone()))
            with torch.no_grad():
                change = change.to(weight.device, torch.float32)
                weight.copy_(weight.float() + self.scale * change)
        return pipe

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Restore the weights bit for bit."""
        import torch

        # Not by name: a family may have wrapped the layers meanwhile; they share these tensors.
        with torch.no_grad():
            for weight, before in self._before:
                weight.copy_(before)
        self._before.clear()


def read_changes(weights: str, pipe: Any) -> "dict[str, Tensor]":  # noqa: ANN401 - diffusers is untyped
    """Read what a file adds to the weights of a pipe's UNet.

    Args:
        weights: A .safetensors file: differences by name of the weight, or a LoRA. The metadata of
            a difference say what its network predicts (`prediction_type`, by default epsilon).
        pipe: The pipe, whose class can read LoRAs for it.

    Returns:
        Name of the weight -> the difference, in its shape.

    Raises:
        ModelError: If the file is missing, damaged or of neither kind, or if it is a difference for
            a network that predicts something else.
    """
    from safetensors import SafetensorError, safe_open

    path = find_weights(weights)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is no safetensors file: {error}") from error
    if any("lora" in name for name in tensors):
        return _lora_changes(tensors, pipe, weights)
    _refuse_prediction(metadata.get("prediction_type", "epsilon"), pipe, weights)
    return tensors


def _refuse_prediction(made_for: str, pipe: Any, weights: str) -> None:  # noqa: ANN401
    """Refuse a difference for another prediction, which names and shapes do not show."""
    predicts = pipe.scheduler.config.get("prediction_type", "epsilon")
    if predicts != made_for:
        raise ModelError(
            f"{weights} is the difference of a network that predicts {made_for} (the file's "
            f"metadata `prediction_type`, epsilon where there is none), and the card's predicts "
            f"{predicts}; take a difference that was trained from the card's own network"
        )


def _lora_changes(
    tensors: "dict[str, Tensor]",
    pipe: Any,  # noqa: ANN401 - diffusers is untyped
    weights: str,
) -> "dict[str, Tensor]":
    """Compute up times down times alpha over rank for each layer (Hu et al. 2021, section 4.1)."""
    state, alphas = _read_lora(tensors, pipe, weights)
    scales = {name.removesuffix(DOWN): float(value) for name, value in alphas.items()}
    changes = {}
    for layer, (down, up) in _pairs(state, weights).items():
        rank = len(down)
        change = (up.float().flatten(1) @ down.float().flatten(1)).view(len(up), *down.shape[1:])
        changes[f"{layer}.weight"] = change * (scales.pop(layer, rank) / rank)
    if scales or not changes:
        raise ModelError(f"{weights}: found no layers of the UNet for {', '.join(scales) or 'it'}")
    return changes


def _read_lora(
    tensors: "dict[str, Tensor]",
    pipe: Any,  # noqa: ANN401 - diffusers is untyped
    weights: str,
) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Read the UNet's matrices and the layers' alphas, by the names that peft uses."""
    if not hasattr(pipe, "lora_state_dict"):
        raise ModelError(f"{weights} is a LoRA, and {type(pipe).__name__} takes none")
    try:
        state, alphas = pipe.lora_state_dict(tensors, unet_config=pipe.unet.config)
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"{weights} is a LoRA whose layers diffusers cannot read: {error}. Take one for "
            f"{type(pipe).__name__}, in the spelling of peft, diffusers or kohya"
        ) from error
    others = sorted({name.split(".")[0] for name in state} - {"unet"})
    if others:
        raise ModelError(
            f"{weights} also changes {', '.join(others)}, and only changes of the UNet are read; "
            f"take a LoRA of the UNet alone"
        )
    return _unet_names(state), _unet_names(alphas or {})


def _pairs(matrices: "Mapping[str, Tensor]", weights: str) -> "dict[str, tuple[Tensor, Tensor]]":
    """Give layer -> its two matrices, and refuse a file that has anything else."""
    layers = [name.removesuffix(DOWN) for name in matrices if name.endswith(DOWN)]
    wanted = {layer + end for layer in layers for end in (DOWN, UP)}
    odd = sorted(wanted ^ set(matrices))
    if odd:
        raise ModelError(
            f"{weights} is not a complete LoRA: each layer has one matrix that ends in {DOWN} and "
            f"one that ends in {UP}, and {odd[0]} is "
            f"{'missing' if odd[0] in wanted else 'neither'}; take a file with both for each layer"
        )
    return {layer: (matrices[layer + DOWN], matrices[layer + UP]) for layer in layers}


def _unet_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert names to those of the UNet's layers; an alpha gets the name of its layer."""
    from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft

    plain = {name.removeprefix("unet.").removesuffix(".alpha"): v for name, v in values.items()}
    converted: dict[str, Any] = convert_unet_state_dict_to_peft(plain)
    return converted
