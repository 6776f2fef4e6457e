"""The device that a card asks for, which is never guessed from the machine."""

from typing import TYPE_CHECKING

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import torch


def choose_device(*, gpu: bool, who: str, instead: str) -> "torch.device":
    """The CPU, or the GPU where one is asked for.

    Args:
        gpu: Whether the card says `gpu: true`.
        who: What needs it, for the message.
        instead: What to do without one, for the message.

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
            f"{who} needs a CUDA GPU by its card and this process sees none; run it where there is "
            f"one (ray_cluster.yaml), or {instead}"
        )
    return torch.device("cuda")
