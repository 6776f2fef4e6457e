"""The same networks faster on a CPU: what eager PyTorch leaves undone there.

Three changes, none of which changes what is computed beyond the rounding of a float (the
contract test compares the images with diffusers' own call):

- memory that was freed stays with the process (`keep_freed_memory`);
- matrix products run in oneDNN, like the convolutions (`speed_up`);
- keys and values of a prompt are computed once for all steps (`speed_up`).

Measured gains stand in the docstring of `benchmarks/generate.py`.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Names of glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Tell glibc not to return large blocks to the system at every free.

    Activations of a few MB are freed and wanted again some hundred times a second; by default
    each time the kernel takes the pages away and hands out zeroed ones at first touch, which
    takes longer than many of the operations themselves.

    Returns:
        Whether this C library can; elsewhere nothing is changed.
    """
    mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {M_TRIM_THRESHOLD: 2**31 - 1, M_MMAP_THRESHOLD: 2**30, M_TOP_PAD: 2**26}
    return all([mallopt(name, value) == 1 for name, value in settings.items()])


class OneDnnLinear(nn.Module):
    """A linear layer through oneDNN instead of MKL.

    MKL keeps to AVX2 on processors that are not Intel's; oneDNN, which PyTorch uses for
    convolutions everywhere, does not. On an AMD EPYC with AVX-512: 150-200 against 60-85
    GFLOP/s on one core for the shapes of a small UNet. For inference only.

    Args:
        linear: The layer; its parameters are shared, not copied.

    Example:
        >>> linear, x = nn.Linear(8, 4), torch.ones(2, 8)
        >>> with torch.inference_mode():
        ...     torch.allclose(OneDnnLinear(linear)(x), linear(x))
        True
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., K) to (..., N)."""
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, "none", [], ""
        )
        return y


class Remembering(nn.Module):
    """A module that answers at once when it is asked the same tensor again.

    Around the key and value projections of cross-attention: a prompt's embeddings are one
    tensor object over all steps of a call, so they are projected once instead of at each step.
    The answer is the very tensor that was computed, so nothing changes by a bit.

    Args:
        module: What to ask.

    Example:
        >>> projection, text = Remembering(nn.Linear(8, 4)), torch.ones(2, 8)
        >>> projection(text) is projection(text), projection(text.clone()) is projection(text)
        (True, False)
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._asked: torch.Tensor | None = None
        self._answer: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the module gives; `x` must not be changed in place between two calls."""
        if self._answer is None or self._asked is not x:
            self._asked, self._answer = x, self.module(x)
        return self._answer


def speed_up(unet: nn.Module) -> None:
    """Put `OneDnnLinear` and `Remembering` into a diffusers UNet, in place.

    Where PyTorch was built without oneDNN the linear layers stay as they are.
    """
    has_onednn: Callable[[], bool] = torch.backends.mkldnn.is_available
    if has_onednn():
        for parent in list(unet.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear and child.weight.dtype == torch.float32:
                    setattr(parent, name, OneDnnLinear(child))
    for name, module in list(unet.named_modules()):
        if name.endswith(".attn2"):
            attention: Any = module
            attention.to_k = Remembering(attention.to_k)
            attention.to_v = Remembering(attention.to_v)
