"""Makes networks faster on a CPU.

Three changes do what eager PyTorch does not. None of them changes the result beyond the rounding of
a float; the contract test compares the images with those of diffusers' own call:

- freed memory stays with the process (`keep_freed_memory`);
- matrix products run in oneDNN, like the convolutions (`use_onednn`);
- keys and values of a prompt are computed once for all steps (`speed_up`).

The gains, as timed, are in the docstring of `benchmarks/generate.py`.
"""

import ctypes
from typing import Any, cast

import torch
from torch import nn

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Constants of glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Tell glibc not to return large blocks to the system each time they are freed.

    Activations of a few MB are freed and allocated again some hundred times a second. By default
    the kernel takes the pages away each time and gives out zeroed pages at the first access, which
    takes longer than many of the operations themselves.

    Returns:
        True if this C library can keep the pages; otherwise nothing is changed.
    """
    mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {M_TRIM_THRESHOLD: 2**31 - 1, M_MMAP_THRESHOLD: 2**30, M_TOP_PAD: 2**26}
    return all([mallopt(name, value) == 1 for name, value in settings.items()])


def has_onednn() -> bool:
    """Whether this PyTorch was built with oneDNN; without it networks stay as they are."""
    onednn: Any = torch.backends.mkldnn
    return bool(onednn.is_available())


class OneDnnLinear(nn.Linear):
    """A linear layer that runs in oneDNN instead of MKL.

    MKL uses only AVX2 on processors that are not Intel's; oneDNN, which PyTorch uses for all
    convolutions, uses AVX-512 too. On an AMD EPYC with AVX-512 it reaches 150-200 instead of 60-85
    GFLOP/s on one core for the shapes of a small UNet. For inference only. It is a subclass of
    `nn.Linear`, because libraries check the class of a layer before they call it.

    Args:
        weight: The weight of the layer; shared, not copied.
        bias: The bias of the layer; shared, not copied. None if the layer has none.

    Example:
        >>> linear, x = nn.Linear(8, 4), torch.ones(2, 8)
        >>> with torch.inference_mode():
        ...     torch.allclose(OneDnnLinear(linear.weight, linear.bias)(x), linear(x))
        True
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        nn.Module.__init__(self)  # that of nn.Linear would draw a weight
        self.out_features, self.in_features = weight.shape
        self.weight, self.bias = weight, cast(nn.Parameter, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., K) to (..., N)."""
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, "none", [], ""
        )
        return y


class OneDnnAttention(nn.Module):
    """`nn.MultiheadAttention` with batches first, in oneDNN; it returns no attention weights.

    Args:
        attention: The module that it replaces, with one width for queries, keys and values. Its
            parameters are shared, not copied.

    Example:
        >>> attention, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.ones(1, 3, 8)
        >>> with torch.inference_mode():
        ...     output, _ = OneDnnAttention(attention)(x, x, x)
        ...     torch.allclose(output, attention(x, x, x)[0], atol=1e-6)
        True
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = attention.num_heads
        self.project = OneDnnLinear(attention.in_proj_weight, attention.in_proj_bias)
        self.out = OneDnnLinear(attention.out_proj.weight, attention.out_proj.bias)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        need_weights: bool = False,
        attn_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, None]:
        """Self-attention of (B, T, width). Weights are not returned and must not be asked for."""
        assert query is key is value
        assert not need_weights
        parts = self.project(query).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind()
        heads = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return self.out(heads.transpose(1, 2).flatten(2)), None


class Remembering(nn.Module):
    """A module that keeps its last output and returns it for the same input tensor.

    It wraps the key and value projections of cross-attention: the embeddings of a prompt are one
    tensor object in all steps of a call, so they are projected once instead of at each step. The
    output is the same tensor, so no bit changes.

    Args:
        module: The module to wrap.

    Example:
        >>> projection, text = Remembering(nn.Linear(8, 4)), torch.ones(2, 8)
        >>> projection(text) is projection(text), projection(text.clone()) is projection(text)
        (True, False)
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._input: torch.Tensor | None = None
        self._output: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The output of the module; `x` must not be changed in place between two calls."""
        if self._output is None or self._input is not x:
            self._input, self._output = x, self.module(x)
        return self._output


def use_onednn(network: nn.Module) -> None:
    """Replace the float32 linear layers of a network by `OneDnnLinear`.

    Only plain `nn.Linear` layers change: a subclass may do more than a matrix product.
    """
    if not has_onednn():
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.weight.dtype == torch.float32:
                setattr(parent, name, OneDnnLinear(child.weight, child.bias))


def speed_up(unet: nn.Module) -> None:
    """Put `OneDnnLinear` and `Remembering` into a diffusers UNet, in place."""
    use_onednn(unet)
    for name, module in list(unet.named_modules()):
        if name.endswith(".attn2"):
            attention: Any = module
            attention.to_k = Remembering(attention.to_k)
            attention.to_v = Remembering(attention.to_v)
