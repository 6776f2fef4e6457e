"""Places a pipeline on a device, saving memory as its card says."""

from typing import Any

import torch

from pipeline.cards.card import Card
from pipeline.errors import ModelError


def place(pipe: Any, card: Card, device: torch.device) -> Any:  # noqa: ANN401 - untyped
    """Move a pipeline to a device.

    Args:
        pipe: The pipeline.
        card: Its `memory` says what is decoded in parts, and what stays on the CPU.
        device: The device.

    Returns:
        The pipeline.

    Raises:
        ModelError: If the card offloads and there is no GPU, or the autoencoder cannot decode in
            parts.
    """
    memory = card.memory
    for wanted, method in (
        (memory.vae_slicing, "enable_slicing"),
        (memory.vae_tiling, "enable_tiling"),
    ):
        if wanted and not hasattr(getattr(pipe, "vae", None), method):
            raise ModelError(
                f"card {card.name}: {type(pipe).__name__} has no autoencoder that decodes in "
                f"parts; remove vae_slicing and vae_tiling from `memory`"
            )
        if wanted:
            getattr(pipe.vae, method)()
    if memory.offload == "none":
        return pipe.to(device)
    _refuse_offload(card, device)
    if memory.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)
    return pipe


def _refuse_offload(card: Card, device: torch.device) -> None:
    if device.type == "cpu":
        raise ModelError(
            f"card {card.name}: `memory.offload` is {card.memory.offload}, which keeps networks on "
            f"the CPU until the GPU needs them, and the card draws on the CPU; remove it"
        )
