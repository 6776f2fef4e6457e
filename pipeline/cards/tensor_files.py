"""Reads tensors from files; the only module that opens pickles, and only without running code.

Some networks are published only as pickles. `weights_only=True` builds tensors and plain values and
calls nothing that the file names. Anything that is not a tensor is refused as well.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import torch


def read_tensors(path: Path) -> "dict[str, torch.Tensor]":
    """Read tensors by name, from a `.safetensors` file or else from a pickle of tensors.

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
        tensors = load_state_dict_from_file(path, map_location="cpu", weights_only=True, safe=False)
    except Exception as error:  # damaged and unsafe files raise many kinds of errors
        # Torch's own message advises loading the file without this protection.
        raise ModelError(
            f"{path} cannot be read as tensors ({type(error).__name__}): it is missing, damaged, "
            f"or holds objects that could run code; get it again, or convert it to safetensors"
        ) from error
    if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
        raise ModelError(
            f"{path} holds more than tensors by name; wanted a state_dict alone: save only that, "
            f"as safetensors if possible"
        )
    return dict(tensors)
