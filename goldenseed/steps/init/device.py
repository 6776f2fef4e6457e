"""Choose the device of a new card: what the user says, or what this machine has."""

from pipeline.errors import ConfigError


def draws_on_gpu(device: str) -> bool:
    """Whether a model is drawn on a GPU.

    Args:
        device: "gpu", "cpu", or empty for a GPU if this machine has one.

    Raises:
        ConfigError: If it is another word.
    """
    if device in ("gpu", "cpu"):
        return device == "gpu"
    if device:
        raise ConfigError(f"--device {device!r}: wanted gpu or cpu")
    import torch

    return torch.cuda.is_available()
