"""Tensors from a file: the one place where a pickle is opened, and only one that cannot run code.

Some networks are published as pickles alone. `weights_only=True` builds tensors and plain values
and calls nothing that the file names; what is not a tensor is refused all the same.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import torch


def read_tensors(path: Path) -> "dict[str, torch.Tensor]":
    """Read tensors by name: safetensors by the ending `.safetensors`, else a pickle of tensors.

    Args:
        path: The file.

    Returns:
        Name -> tensor, on the CPU, in the dtype of the file.

    Raises:
        ModelError: If the file is missing or damaged, or holds anything but tensors by name.
    """
    import torch
    from huggingface_hub import load_state_dict_from_file

    try:
        found = load_state_dict_from_file(path, map_location="cpu", weights_only=True, safe=False)
    except Exception as error:  # what a damaged or unsafe file raises is of many kinds
        # Torch's own message advises to load the file without the guard.
        raise ModelError(
            f"{path} cannot be read as tensors ({type(error).__name__}): it is missing, damaged, "
            f"or holds objects, which could run code; get it again, or convert it to safetensors"
        ) from error
    if not isinstance(found, dict) or not all(map(torch.is_tensor, found.values())):
        raise ModelError(
            f"{path} holds more than tensors by name; wanted a state_dict alone: save that, as "
            f"safetensors if you can"
        )
    return dict(found)
