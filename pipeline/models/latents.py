"""Keeps the latents of a diffusers pipeline's steps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.batch import Kept

if TYPE_CHECKING:
    import torch

CALLBACK, INPUTS = "callback_on_step_end", "callback_on_step_end_tensor_inputs"


class Recorder:
    """Records the latents of one call of a diffusers pipeline.

    Args:
        keep: "none", "last" or "all".
        start: (B, C, h, w), the latents that the call starts from.
    """

    def __init__(self, keep: str, start: "torch.Tensor") -> None:
        self.keep = keep
        self._kept = {0: _array(start)} if keep == "all" else {}

    def watching(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Add a callback that records the latents at the end of each step.

        An existing callback runs first, and the latents that it returns are recorded.
        """
        if self.keep == "none":
            return dict(arguments)
        inner = arguments.get(CALLBACK)

        def after(pipe: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
            changed = dict(inner(pipe, step, time, tensors)) if inner else {}
            kept = {} if self.keep == "last" else self._kept
            self._kept = {**kept, step + 1: _array(changed.get("latents", tensors["latents"]))}
            return changed

        wanted = [*dict.fromkeys([*arguments.get(INPUTS, ()), "latents"])]
        return {**arguments, CALLBACK: after, INPUTS: wanted}

    @property
    def kept(self) -> Kept:
        """Step -> (B, C, h, w) float32."""
        return self._kept


def _array(latents: "torch.Tensor") -> npt.NDArray[np.float32]:
    return np.array(latents.float().cpu().numpy())
