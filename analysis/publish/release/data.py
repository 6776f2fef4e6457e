"""Give the data behind a release: prompts, metrics of each seed, and images."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.per_seed import read_per_seed
from analysis.publish.release.columns import IMAGES, PROMPTS, parquet_bytes
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.storage.disk import make_folder, store_errors
from pipeline.storage.parquet import write_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import PER_SEED, PROMPT_FIELDS

ROWS_EACH = 256
"""Images in one file: few enough to be held in memory at any size."""

Cell = tuple[str, int]


def small_tables(run: Run, origin: Mapping[str, object]) -> dict[str, bytes]:
    """Make prompts.parquet, and metrics.parquet where the run's metrics are of this grid.

    Args:
        run: The run.
        origin: What the tables are of; written into their footers.
    """
    prompts = sorted(run.prompts.values(), key=lambda prompt: prompt.id)
    tables = {
        "prompts.parquet": parquet_bytes(PROMPTS, [_prompt_row(p) for p in prompts], origin=origin)
    }
    try:
        metrics = read_per_seed(run, of_this_grid=True)
    except RunError:
        return tables
    rows = metrics.sort("metric", "prompt_set", "seed").to_dicts()
    return {**tables, "metrics.parquet": parquet_bytes(PER_SEED, rows, origin=origin)}


def _prompt_row(prompt: Prompt) -> dict[str, Any]:
    names = {"prompt_image": "image", "prompt_mask": "mask"}
    fields = {c.name: getattr(prompt, names.get(c.name, c.name)) for c in PROMPT_FIELDS}
    return {"prompt_id": prompt.id, **fields}


@contextmanager
def images_aside(
    run: Run, folder: Path, origin: Mapping[str, object], *, wanted: bool
) -> Iterator[tuple[dict[str, Path], int]]:
    """Write all images that are drawn, by seed and prompt, and remove them at the end.

    Args:
        run: The run.
        folder: Where a hidden folder for the files is made.
        origin: What the images are of; written into the footers.
        wanted: Whether to write images at all.

    Yields:
        Name in the release -> file, and the number of images. The bytes do not depend on how the
        run was cut into tiles.

    Raises:
        RunError: If the run holds no image.
    """
    if not wanted:
        yield {}, 0
        return
    make_folder(folder)
    with store_errors(folder):
        aside = Path(tempfile.mkdtemp(prefix=".images-", dir=folder))
    try:
        yield _write_images(run, aside, origin)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_images(
    run: Run, folder: Path, origin: Mapping[str, object]
) -> tuple[dict[str, Path], int]:
    places = dict(sorted(_places(run), key=lambda item: (item[0][1], item[0][0])))
    cells, files, count = list(places), dict[str, Path](), 0
    batches = [cells[start : start + ROWS_EACH] for start in range(0, len(cells), ROWS_EACH)]
    for index, batch in enumerate(batches):
        name = f"images/train-{index:05}-of-{len(batches):05}.parquet"
        files[name] = folder / f"{index:05}.parquet"
        table = _read(run, {cell: places[cell] for cell in batch})
        count += table.num_rows - table["image"].null_count
        write_table(files[name], table, provenance=origin)
    if not count:
        raise RunError(f"{run.root} kept no images; publish it without --images")
    return files, count


def _places(run: Run) -> Iterator[tuple[Cell, tuple[Receipt, int]]]:
    """Find each image that is drawn: its shard and its row."""
    for receipt in run.images.receipts():
        keys = run.images.read(receipt, ["prompt_id", "seed"])
        cells = zip(keys["prompt_id"].to_pylist(), keys["seed"].to_pylist(), strict=True)
        for row, cell in enumerate(cells):
            yield cell, (receipt, row)


def _read(run: Run, places: Mapping[Cell, tuple[Receipt, int]]) -> pa.Table:
    """Read the images of some cells, in the order given."""
    by_shard: dict[str, list[tuple[int, int]]] = {}
    receipts = {receipt.file: receipt for receipt, _ in places.values()}
    for position, (receipt, row) in enumerate(places.values()):
        by_shard.setdefault(receipt.file, []).append((position, row))
    order = [position for found in by_shard.values() for position, _ in found]
    parts = [
        run.images.read_rows(receipts[file], [row for _, row in found], IMAGES.names)
        for file, found in by_shard.items()
    ]
    back = sorted(range(len(order)), key=order.__getitem__)
    table = pa.concat_tables(parts).select(IMAGES.names).take(pa.array(back, pa.int64()))
    return table.cast(IMAGES.arrow()).replace_schema_metadata(IMAGES.arrow().metadata)
