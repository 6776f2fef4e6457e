"""Check the shards of a run: receipts, data files, and that each file has its receipt."""

import json
from collections.abc import Iterator, Mapping
from functools import partial

import pyarrow as pa

from goldenseed.steps.verify.checked import Checked, look_twice
from goldenseed.steps.verify.known import Known
from pipeline.errors import ShardError
from pipeline.prompts.prompt import Prompt
from pipeline.runs.grid import Tile
from pipeline.runs.layout import IMAGES_FOLDER, LATENTS_FOLDER, REST_FOLDER
from pipeline.runs.run import feature_folders
from pipeline.storage.content_hash import content_sha256
from pipeline.storage.parquet import FOOTER_KEY
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import (
    IMAGE_CONTENT,
    IMAGE_TYPE,
    PROMPT_FIELDS,
    PROMPT_LABELS,
    STATUS_OK,
)
from pipeline.storage.shards import ATTEMPTS, RECEIPTS, SUPERSEDED, ShardFolder, shard_of
from pipeline.storage.store import Store


def check_shards(known: Known) -> Iterator[Checked]:
    """Check each receipt with its data file, then look for data files without a receipt."""
    for folder in shard_folders(known.store):
        files = [*known.store.list(folder.prefix, "")]  # before the receipts, which come first
        for key in folder.receipt_keys():
            yield from look_twice(partial(_check, known, folder, key))
        for key in files:
            yield from look_twice(partial(_check_named, folder, key))


def shard_folders(store: Store) -> list[ShardFolder]:
    """The folders of images, latents and features of a run."""
    names = (IMAGES_FOLDER, REST_FOLDER, LATENTS_FOLDER)
    own = [ShardFolder(store, name, ()) for name in names]
    return [*own, *feature_folders(store)]


def was_set_aside(store: Store, folder: ShardFolder, shard_id: str, block: str) -> bool:
    """Whether a receipt of this shard was set aside on purpose, so that it will be made again."""
    parent = f"{SUPERSEDED}/{RECEIPTS}/{folder.prefix}/{block}"
    return any(key.startswith(f"{parent}/{shard_id}") for key in store.list(parent, ""))


def _check(known: Known, folder: ShardFolder, key: str) -> list[Checked]:
    """Check one shard. A damaged receipt or data file does not hide others."""
    try:
        receipt = Receipt.from_json(known.store.read(key), key)
    except FileNotFoundError:  # set aside since the folder was listed
        return [Checked(key)]
    except ShardError as error:
        return [Checked(key, str(error), (key,))]
    data = f"{folder.prefix}/{receipt.file}"
    aside = (key, data, f"{ATTEMPTS}/{data}")
    try:
        if problem := _receipt_problem(known, folder, receipt):
            return [Checked(key, problem, aside)]
        problem = _data_problem(known, folder, receipt)
    except ShardError as error:
        problem = str(error)
    return [Checked(data, f"{problem} (receipt {key})" if problem else "", aside)]


def _check_named(folder: ShardFolder, key: str) -> list[Checked]:
    """Check that a receipt names a file of a shard folder; other programs read all files there."""
    file = key.removeprefix(f"{folder.prefix}/")
    if not folder.store.exists(key):  # set aside since the folder was listed
        return []
    try:
        named = folder.is_named(file)
    except ShardError:  # the receipt is damaged, and is reported by itself
        return []
    if named:
        return []
    receipt = folder.receipt_key(*shard_of(file))
    return [Checked(key, f"no receipt names it (wanted {receipt})", (key,))]


def _receipt_problem(known: Known, folder: ShardFolder, receipt: Receipt) -> str:
    """Say what a receipt has against the run, its grid, and the images."""
    if known.run_id and receipt.run_id != known.run_id:
        return f"belongs to run {receipt.run_id}, and this is {known.run_id}"
    if folder.prefix == REST_FOLDER:
        return "names a source, which images do not have" if receipt.source_sha256 else ""
    if known.grid is not None:
        tile = known.tile(receipt.shard_id)
        if tile is None or tile.block != receipt.block:
            return "is not a tile of the run's grid"
    if folder.prefix == IMAGES_FOLDER:
        return "names a source, which images do not have" if receipt.source_sha256 else ""
    return _source_problem(known.store, receipt)


def _source_problem(store: Store, receipt: Receipt) -> str:
    """Say whether the images are gone from which features or latents were made."""
    images = ShardFolder(store, IMAGES_FOLDER, IMAGE_CONTENT)
    try:
        source = images.receipt(receipt.shard_id, receipt.block)
    except ShardError:  # reported by itself
        return ""
    if source is not None and source.content_sha256 == receipt.source_sha256:
        return ""
    if was_set_aside(store, images, receipt.shard_id, receipt.block):
        return ""  # out of date, which is no damage: the next command makes it again
    return "was made from images that no longer exist"


def _data_problem(known: Known, folder: ShardFolder, receipt: Receipt) -> str:
    """Say what is wrong with the data file of a shard; empty if nothing is.

    Raises:
        ShardError: If it cannot be read.
    """
    size = folder.data_bytes(receipt)
    if size is None:
        return "its data file is missing"
    if size != receipt.file_bytes:
        return f"has {size} bytes, its receipt says {receipt.file_bytes}"
    table = folder.read(receipt)
    if table.num_rows != receipt.rows:
        return f"has {table.num_rows} rows, its receipt says {receipt.rows}"
    if content_sha256(table, _content_columns(table)) != receipt.content_sha256:
        return "its content is not what its receipt says"
    if folder.file_sha256(receipt) != receipt.file_sha256:
        return "a byte of its file has changed"
    return _rows_problem(known, table, receipt)


def _content_columns(table: pa.Table) -> list[str]:
    """List the columns in a shard's content hash: all columns, or some for an image shard."""
    return list(IMAGE_CONTENT) if _is_image(table) else list(table.column_names)


def _is_image(table: pa.Table) -> bool:
    return any(field.type == IMAGE_TYPE for field in table.schema)


def _rows_problem(known: Known, table: pa.Table, receipt: Receipt) -> str:
    """Say what intact rows have against the grid and against the rest of their receipt."""
    failed = _count_failed(table)
    if failed is not None and failed != receipt.failed:
        return f"has {failed} failed rows, its receipt says {receipt.failed}"
    if json.loads(table.schema.metadata[FOOTER_KEY]) != receipt.provenance:
        return "its provenance is not what its receipt says"
    tile = known.tile(receipt.shard_id)
    if tile is None:
        return ""
    return _cells_problem(table, tile) or _prompts_problem(table, known.prompts)


def _count_failed(table: pa.Table) -> int | None:
    if _is_image(table):
        states: list[str] = table["status"].to_pylist()
        return sum(state != STATUS_OK for state in states)
    if "null_reason" in table.column_names:
        reasons: list[str | None] = table["null_reason"].to_pylist()
        return sum(reason is not None for reason in reasons)
    return None


def _cells_problem(table: pa.Table, tile: Tile) -> str:
    """Compare the rows' cells with those of the tile; latents have several rows in a cell."""
    cells = [*zip(table["prompt_id"].to_pylist(), table["seed"].to_pylist(), strict=True)]
    wanted = tile.cells
    right = set(cells) <= set(wanted) if "step" in table.column_names else cells == wanted
    return "" if right else "holds other cells than its tile"


def _prompts_problem(table: pa.Table, prompts: Mapping[str, Prompt]) -> str:
    """Compare what images say of their prompts with the grid."""
    if not _is_image(table):
        return ""
    labels = [column.name for column in PROMPT_LABELS if column.name in table.column_names]
    fields = ["prompt_id", *(column.name for column in PROMPT_FIELDS), *labels]
    columns = (table[name].to_pylist() for name in fields)
    for prompt_id, *stated in set(zip(*columns, strict=True)):
        prompt = prompts[prompt_id]
        # The column prompt_image is the prompt's `image`.
        wanted = [getattr(prompt, name.removeprefix("prompt_")) for name in fields[1:]]
        if stated != wanted:
            return f"says other things of prompt {prompt_id} than the grid"
    return ""
