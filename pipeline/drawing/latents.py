"""Writes the latents that a run keeps in addition to its images.

A recipe sets `keep_latents: last` (the latents that were decoded) or `all` (the starting latents as
step 0, then the result of each step). They are provenance, like kept images: a run has the same
run_id and the same images with and without them. The latents of a tile are one shard in `latents/`,
which names the image shard that it was drawn with.
"""

from collections.abc import Sequence

import pyarrow as pa

from pipeline.batch import Kept
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.storage.schema import latents_table


def commit_latents(run: Run, tile: Tile, cells: Sequence[Kept], *, source_sha256: str) -> None:
    """Write the kept latents of a tile.

    Args:
        run: The run.
        tile: The tile.
        cells: For each cell: step -> (C, h, w) float32; empty for a cell that failed.
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
