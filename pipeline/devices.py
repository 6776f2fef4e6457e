"""Gives the device that a card asks for; it is never guessed from the machine."""

from typing import TYPE_CHECKING

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import torch


def choose_device(*, gpu: bool, who: str, instead: str) -> "torch.device":
    """Give the CPU, or a GPU if the card asks for one.

    Args:
        gpu: Whether the card says `gpu: true`.
        who: What needs the device, for the message.
        instead: What the user can do without a GPU, for the message.

    Raises:
        ModelError: If a GPU is asked for and this process sees none.

    Example:
        >>> choose_device(gpu=False, who="card x", instead="take another").type
        'cpu'
    """
    import torch

    if not gpu:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ModelError(
            f"{who} needs a CUDA GPU, as its card says, and this process sees none; run it on a "
            f"machine with a GPU (see cluster/), or {instead}"
        )
    return torch.device("cuda")
