"""One optimiser that uses Muon for the matrices of a network and AdamW for the rest.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) makes the update of a matrix
orthogonal, so that directions that gradients rarely point to are learned as fast as the others.
As in its author's version, a convolution's weight counts as the matrix (out, in * height * width).
First and last layers, embeddings, biases and norms use AdamW. Both have the same learning rate:
Muon's updates are scaled to the root mean square of AdamW's (Liu et al. 2025, arXiv:2502.16982,
section 2.2).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

OUTER = ("conv_in", "conv_out", "embedding")
"""Parts of the names of first and last layers and embeddings."""


class MuonWithAdamW:
    """Both optimisers, with the methods that a training loop calls.

    Args:
        modules: What is trained, by name.
        betas: AdamW's decay rates.

    Example:
        >>> optimiser = MuonWithAdamW({"net": nn.Conv2d(2, 4, 3)}, betas=(0.9, 0.95))
        >>> [tuple(matrix.shape) for _, matrix in optimiser.matrices]
        [(4, 18)]
    """

    def __init__(self, modules: Mapping[str, nn.Module], *, betas: tuple[float, float]) -> None:
        named = [pair for module in modules.values() for pair in module.named_parameters()]
        self.matrices = [(p, _as_matrix(p)) for name, p in named if _is_hidden(name, p)]
        rest = [p for name, p in named if not _is_hidden(name, p)]
        self.muon = torch.optim.Muon(
            [matrix for _, matrix in self.matrices],
            lr=0.0,
            weight_decay=0.0,
            adjust_lr_fn="match_rms_adamw",
        )
        self.adamw = torch.optim.AdamW(rest, lr=0.0, betas=betas, weight_decay=0.0)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Parameter groups of both, whose learning rate a loop sets."""
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def zero_grad(self) -> None:
        """Clear all gradients."""
        self.adamw.zero_grad()
        for weight, matrix in self.matrices:
            weight.grad = matrix.grad = None

    def step(self) -> None:
        """Update all weights from their gradients."""
        for weight, matrix in self.matrices:
            matrix.grad = None if weight.grad is None else weight.grad.reshape(matrix.shape)
        self.muon.step()  # type: ignore[no-untyped-call]
        self.adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """States of both optimisers."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the states of both optimisers."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


def _is_hidden(name: str, weight: Tensor) -> bool:
    """Whether a weight is a matrix between a network's first layer and its last."""
    return weight.ndim >= 2 and not any(part in name for part in OUTER)


def _as_matrix(weight: Tensor) -> nn.Parameter:
    """A parameter (out, in) that shares its memory with the weight."""
    return nn.Parameter(weight.detach().view(len(weight), -1))
