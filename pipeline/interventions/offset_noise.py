"""Offset noise: weights that were trained with it, so that dark and bright pictures exist.

A *training* change (Guttenberg 2023, "Diffusion with Offset Noise", crosslabs.org): the noise
that is added and predicted gets one more random number per picture and channel, because plain
noise hardly moves a picture's mean and so the network never learns to. Here its result is
loaded: what the training changed in the UNet's weights, as a whole difference (what
`python -m seedling.train.offset_noise` writes) or as a LoRA, whose many spellings diffusers
reads (SDXL's offset LoRA is one). Sampling stays as it was. Adding an offset to the *starting*
noise of an ordinary network is another thing and not done here.

LoRAs were only loaded with random weights.
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
"""How the first of a layer's two matrices ends, in peft's spelling."""
UP = ".lora_B.weight"
"""How the second one ends."""


class OffsetNoise(Intervention):
    """The UNet with what training with offset noise changed.

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
            ModelError: If the file is not one, or is of another network, or of one that
                predicts something else.
        """
        import torch  # a plan checks the parameters alone, and does without

        unet = getattr(pipe, "unet", None)
        if unet is None:
            raise ModelError(f"card {card.name} has no UNet: offset_noise changes nothing else")
        state = unet.state_dict()
        for name, change in read_changes(str(self.weights), pipe).items():
            if name not in state or state[name].shape != change.shape:
                found = tuple(state[name].shape) if name in state else "nothing"
                raise ModelError(
                    f"{self.weights} is not for card {card.name}: it changes {name} of shape "
                    f"{tuple(change.shape)}, and the UNet has {found} there"
                )
            weight = state[name]
            self._before.append((weight, weight.clone()))
            with torch.no_grad():
                change = change.to(weight.device, torch.float32)
                weight.copy_(weight.float() + self.scale * change)
        return pipe

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Put the weights back, bit for bit."""
        import torch

        # Not by name: a family may have wrapped layers since, which share these tensors.
        with torch.no_grad():
            for weight, before in self._before:
                weight.copy_(before)
        self._before.clear()


def read_changes(weights: str, pipe: Any) -> "dict[str, Tensor]":  # noqa: ANN401 - diffusers is untyped
    """What a file adds to the weights of a pipe's UNet.

    Args:
        weights: A .safetensors file: differences by the name of the weight, or a LoRA. What the
            network of a difference predicts is its metadata's `prediction_type`, epsilon where
            it says nothing.
        pipe: The pipe, whose class knows how LoRAs for it are spelt.

    Returns:
        Name of the weight -> the difference, in its shape.

    Raises:
        ModelError: If the file is missing, damaged or of neither kind, or a difference for a
            network that predicts something else.
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
    """Names and shapes are the same whatever a network predicts, so they do not tell."""
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
    """Each layer's up times down, times alpha over the rank (Hu et al. 2021, section 4.1)."""
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
    """The UNet's matrices and the layers' alphas, by names as peft has them."""
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
        raise ModelError(f"{weights} changes {', '.join(others)} too; only the UNet's is read")
    return _unet_names(state), _unet_names(alphas or {})


def _pairs(matrices: "Mapping[str, Tensor]", weights: str) -> "dict[str, tuple[Tensor, Tensor]]":
    """Layer -> its two matrices; nothing else may be there, or it would be left out silently."""
    layers = [name.removesuffix(DOWN) for name in matrices if name.endswith(DOWN)]
    wanted = {layer + end for layer in layers for end in (DOWN, UP)}
    odd = sorted(wanted ^ set(matrices))
    if odd:
        raise ModelError(
            f"{weights} is no whole LoRA: a layer has one matrix that ends in {DOWN} and one in "
            f"{UP}, and {odd[0]} is {'missing' if odd[0] in wanted else 'neither'}; take a file "
            f"with both of every layer"
        )
    return {layer: (matrices[layer + DOWN], matrices[layer + UP]) for layer in layers}


def _unet_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names as the UNet's layers have them; an alpha is then called as its layer is."""
    from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft

    plain = {name.removeprefix("unet.").removesuffix(".alpha"): v for name, v in values.items()}
    converted: dict[str, Any] = convert_unet_state_dict_to_peft(plain)
    return converted
