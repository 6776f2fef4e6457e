"""The same networks faster on a CPU: what eager PyTorch leaves undone there.

Three changes, none of which changes what is computed beyond the rounding of a float (the
contract test compares the images with diffusers' own call):

- memory that was freed stays with the process (`keep_freed_memory`);
- matrix products run in oneDNN, like the convolutions (`use_onednn`);
- keys and values of a prompt are computed once for all steps (`speed_up`).

Measured gains stand in the docstring of `benchmarks/generate.py`.
"""

import ctypes
from typing import Any, cast

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


def has_onednn() -> bool:
    """Whether this PyTorch was built with oneDNN; without it networks stay as they are."""
    found: Any = torch.backends.mkldnn
    return bool(found.is_available())


class OneDnnLinear(nn.Linear):
    """A linear layer through oneDNN instead of MKL.

    MKL keeps to AVX2 on processors that are not Intel's; oneDNN, which PyTorch uses for
    convolutions everywhere, does not. On an AMD EPYC with AVX-512: 150-200 against 60-85
    GFLOP/s on one core for the shapes of a small UNet. For inference only. It is an `nn.Linear`
    since libraries ask whether a layer is one before they call it.

    Args:
        weight: That of the layer, shared, not copied.
        bias: Likewise; None where it has none.

    Example:
        >>> linear, x = nn.Linear(8, 4), torch.ones(2, 8)
        >>> with torch.inference_mode():
        ...     torch.allclose(OneDnnLinear(linear.weight, linear.bias)(x), linear(x))
        True
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        nn.Module.__init__(self)  # nn.Linear's own would draw a weight
        self.out_features, self.in_features = weight.shape
        self.weight, self.bias = weight, cast(nn.Parameter, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., K) to (..., N)."""
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, "none", [], ""
        )
        return y


class OneDnnAttention(nn.Module):
    """`nn.MultiheadAttention` of batches first, without its weights, through oneDNN.

    Args:
        attention: What it stands for, with one width for queries, keys and values; its parameters
            are shared, not copied.

    Example:
        >>> attention, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.ones(1, 3, 8)
        >>> with torch.inference_mode():
        ...     found, _ = OneDnnAttention(attention)(x, x, x)
        ...     torch.allclose(found, attention(x, x, x)[0], atol=1e-6)
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
        """Attention of (B, T, width) to itself; no weights are given, and none may be wanted."""
        assert query is key is value
        assert not need_weights
        parts = self.project(query).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind()
        seen = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return self.out(seen.transpose(1, 2).flatten(2)), None


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


def use_onednn(network: nn.Module) -> None:
    """Put `OneDnnLinear` in the place of a network's float32 linear layers.

    Only plain `nn.Linear`s change: a subclass may be more than a product.
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
