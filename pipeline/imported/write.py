"""Writes the images of an arm as a run: the balanced part as its grid, the others beside it."""

import hashlib
import io
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.errors import ImageFileError, RunError
from pipeline.imported.arms import ImportedArm
from pipeline.imported.files import read_file
from pipeline.prompts.columns import cell_columns
from pipeline.prompts.image_files import FORMATS, decode_image_file
from pipeline.prompts.prompt import Prompt
from pipeline.runs.grid import make_tile
from pipeline.runs.layout import REST_FOLDER
from pipeline.runs.run import Run, utc_now
from pipeline.settings.recipe import Recipe
from pipeline.storage.codec import encode_image
from pipeline.storage.leftovers import settle
from pipeline.storage.manifest import compact
from pipeline.storage.schema import IMAGE_CONTENT, IMAGES, STATUS_OK
from pipeline.storage.shards import ShardFolder

REST_ROWS = 64
"""Most images of a shard outside the grid."""


def write_run(
    out: Path, arm: ImportedArm, prompts: Mapping[str, Prompt], recipe: Recipe, folder: Path
) -> Iterator[int]:
    """Begin or open the run of an arm, and write the images that it lacks.

    Args:
        out: The run folder.
        arm: The arm.
        prompts: All prompts by id.
        recipe: The recipe that the run is to be measured by.
        folder: The folder that the names of the images are relative to.

    Yields:
        The number of images of each shard that was written.

    Raises:
        RunError: If the folder holds another run, or an image has changed since it was read.
    """
    run = Run.start(out, arm.config(), recipe, arm.card())
    run.settle()
    run.grow(arm.seeds, [prompts[prompt_id] for prompt_id in arm.prompt_ids])
    writer = _Writer(run, arm, prompts, folder)
    for tile in run.missing():
        yield writer.write(run.images, tile.id, tile.block, tile.cells)
    compact(run.images)
    rest, cells = rest_folder(run), arm.rest
    settle(rest)
    for start in range(0, len(cells), REST_ROWS):
        part = cells[start : start + REST_ROWS]
        tile = make_tile(tuple(seed for _, seed in part), tuple(prompt for prompt, _ in part))
        if not rest.has(tile.id, tile.block):
            yield writer.write(rest, tile.id, tile.block, part)


def rest_folder(run: Run) -> ShardFolder:
    """The folder of the imported images that are not part of the grid."""
    return ShardFolder(run.store, REST_FOLDER, IMAGE_CONTENT)


class _Writer:
    """Writes shards of one arm."""

    def __init__(
        self, run: Run, arm: ImportedArm, prompts: Mapping[str, Prompt], folder: Path
    ) -> None:
        self.run, self.arm, self.prompts, self.folder = run, arm, prompts, folder

    def write(
        self, shards: ShardFolder, shard_id: str, block: str, cells: Sequence[tuple[str, int]]
    ) -> int:
        rows = [self._row(prompt_id, seed) for prompt_id, seed in cells]
        table = pa.Table.from_pylist(rows, schema=IMAGES.arrow())
        provenance = {"created": utc_now(), "host": platform.node(), "imported": True}
        shards.commit(shard_id, block, table, run_id=self.run.run_id, provenance=provenance)
        return len(rows)

    def _row(self, prompt_id: str, seed: int) -> dict[str, Any]:
        prompt = self.prompts[prompt_id]
        data = self._read(prompt_id, seed)
        pixels = np.asarray(decode_image_file(data).image)
        return {
            **cell_columns(prompt, seed),
            "image": {"bytes": _stored(data, pixels), "path": None},
            "image_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
            "status": STATUS_OK,
            "constant": bool((pixels == pixels[0, 0]).all()),
        }

    def _read(self, prompt_id: str, seed: int) -> bytes:
        image = self.arm.cells[prompt_id, seed]
        path = self.folder / image.file
        try:
            data = read_file(path)
        except ImageFileError as error:
            raise RunError(f"{path}: {error}; give the command again") from error
        if hashlib.sha256(data).digest() != image.sha256:
            raise RunError(f"{path} has changed while it was imported; give the command again")
        return data


def _stored(data: bytes, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Keep the bytes of an RGB PNG, with its metadata; store others without loss.

    A JPEG is not kept, because other machines may decode it to other pixels.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.format == "PNG" and image.mode == "RGB" and "transparency" not in image.info:
            return data
    return encode_image(pixels, "webp")
