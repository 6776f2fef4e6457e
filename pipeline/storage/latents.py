"""Latents that a run keeps beside its images: where each picture started, went, and ended.

A recipe says `keep_latents: last` (the latents that were decoded) or `all` (the starting
latents as step 0, then what each step left). They are provenance, like kept images: a run with
and without them has the same run_id and the same pictures. Each tile's are a shard of their own
in `latents/`, which names the image shard that it was drawn with.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.runs.grid import Tile
from pipeline.storage.schema import latents_table

if TYPE_CHECKING:
    import torch

    from pipeline.runs.run import Run

Kept = Mapping[int, npt.NDArray[np.float32]]
"""Step -> latents; step 0 is the start, step k what the k-th step left."""

CALLBACK, INPUTS = "callback_on_step_end", "callback_on_step_end_tensor_inputs"


class Recorder:
    """Watches the steps of one call of a diffusers pipeline.

    Args:
        keep: "none", "last" or "all".
        start: (B, C, h, w), what the call begins with.
    """

    def __init__(self, keep: str, start: "torch.Tensor") -> None:
        self.keep = keep
        self._kept = {0: _array(start)} if keep == "all" else {}

    def watching(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the call, with a look at the end of each step.

        A callback that is there already comes first: what it changes is what is kept.
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


def commit_latents(run: "Run", tile: Tile, cells: Sequence[Kept], *, source_sha256: str) -> None:
    """Write the kept latents of a tile.

    Args:
        run: The run.
        tile: The tile.
        cells: Of each cell: step -> (C, h, w) float32; nothing where it failed.
        source_sha256: Content hash of the tile's image shard.
    """
    rows = [
        {"prompt_id": prompt, "seed": seed, "step": step, "latents": latents.ravel()}
        for (prompt, seed), kept in zip(tile.cells, cells, strict=True)
        for step, latents in kept.items()
    ]
    schema = latents_table(run.latents_shape).arrow()
    table = pa.Table.from_pylist(rows, schema=schema)
    run.latents.commit(
        tile.id,
        tile.block,
        table,
        run_id=run.run_id,
        source_sha256=source_sha256,
        provenance={"latents_shape": list(run.latents_shape)},
    )
