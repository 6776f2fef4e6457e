"""The columns of every table: name, Arrow type, unit and meaning.

This is the only file that states a column type. All code that writes or reads a table uses it, so a
new column is one line here. It imports no torch, diffusers or ray: a laptop can read results.

Every field is nullable, and images have the type `struct<bytes: binary, path: string>`: the Hugging
Face viewer and `datasets` show a column as an image only if its Arrow field equals theirs exactly
(`datasets.Features.from_arrow_schema`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 1
"""Version of the tables below. A run with another version is refused."""

IMAGE_TYPE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
"""An encoded image and its (always empty) path, as `datasets.Image` stores it."""

STATUS_OK = "ok"
"""The cell has an image. Constant images (all black, all white) are ok and have a flag."""
STATUS_FAILED = "failed"
"""Drawing the cell raised an error; `reason` holds it."""
STATUS_NONFINITE = "nonfinite"
"""The decoder gave NaN or infinity, which would have become black in the cast to uint8."""
STATUS_FLAGGED = "flagged"
"""The pipeline's safety checker replaced the image, so it does not come from the seed."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Column name.
        type: Arrow type.
        meaning: The meaning of a value, in one sentence.
        unit: Unit and range of the values; empty for names and texts.
        may_be_nan: Whether a number may be NaN, which means "looked for and not found". Null means
            that the value was not looked for, or could not be.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    may_be_nan: bool = False


@dataclass(frozen=True)
class Table:
    """A named list of columns.

    Attributes:
        name: What its rows are, in the plural.
        columns: The columns in their order in the file.
    """

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """The column names in order."""
        return [column.name for column in self.columns]

    def arrow(self) -> pa.Schema:
        """The Arrow schema, with the `huggingface` key that makes viewers show images.

        Example:
            >>> IMAGES.arrow().field("seed").type
            DataType(int64)
        """
        fields = [pa.field(column.name, column.type) for column in self.columns]
        features = {column.name: huggingface_feature(column.type) for column in self.columns}
        info = json.dumps({"info": {"features": features}})
        return pa.schema(fields, metadata={"huggingface": info})


def huggingface_feature(kind: pa.DataType) -> dict[str, object]:
    """Describe an Arrow type as `datasets` does in its own schema key.

    Args:
        kind: The type of a column.

    Example:
        >>> huggingface_feature(pa.float64())
        {'dtype': 'float64', '_type': 'Value'}
    """
    if kind == IMAGE_TYPE:
        return {"_type": "Image"}
    if pa.types.is_fixed_size_list(kind):
        inner = huggingface_feature(kind.value_type)
        return {"feature": inner, "length": kind.list_size, "_type": "List"}
    dtype = {"float": "float32", "double": "float64"}.get(str(kind), str(kind))
    return {"dtype": dtype, "_type": "Value"}


CELL_KEY = (
    Column("prompt_id", pa.string(), "Hash of the prompt's text and conditions.", "16 hex digits"),
    Column("seed", pa.int64(), "The random stream of the noise.", "[0, 2**32)"),
)
"""The two columns that name a cell; they come first in each table of cells."""

PROMPT_FIELDS = (
    Column("text", pa.string(), "The prompt as it was given, without blanks at its ends."),
    Column("object", pa.string(), "The object that the prompt names, if any."),
    Column("modifier", pa.string(), "The adjective or setting of the object, if any."),
    Column("group", pa.string(), "Prompts of one group are dependent and are resampled together."),
    Column("set", pa.int8(), "1 chooses seeds, 2 confirms them, 3 reports gains.", "1, 2 or 3"),
    Column("prompt_image", pa.string(), "sha256 of the condition image, if any.", "hex"),
    Column("prompt_mask", pa.string(), "sha256 of the condition mask, if any.", "hex"),
)
"""The columns of a prompt that every table of images has."""

PROMPT_LABELS = (
    Column("category", pa.string(), "What kind of prompt it is, if the prompt file says so."),
    Column("challenge", pa.string(), "What makes the prompt hard, if the prompt file says so."),
)
"""Columns of a prompt that image shards of earlier versions lack."""

IMAGES = Table(
    "images",
    (
        *CELL_KEY,
        *PROMPT_FIELDS,
        *PROMPT_LABELS,
        Column("image", IMAGE_TYPE, "RGB image, encoded without loss; null if not kept or drawn."),
        Column("image_sha256", pa.string(), "sha256 of the raw H x W x 3 uint8 pixels.", "hex"),
        Column("status", pa.string(), "ok, failed, nonfinite or flagged."),
        Column("reason", pa.string(), "Why the status is not ok."),
        Column("constant", pa.bool_(), "Whether all pixels are equal."),
        Column("truncated_tokens", pa.int32(), "Tokens that a text encoder cut off.", "tokens"),
        Column("micro_batch", pa.int32(), "Images drawn together in one call.", "images"),
    ),
)
"""One row per cell of the grid; the table of an image shard."""

IMAGE_CONTENT = ("prompt_id", "seed", "status", "image_sha256", "image")
"""The columns that the content hash of an image shard covers."""

PER_SEED = Table(
    "per_seed",
    (
        Column("seed", pa.int64(), "The seed.", "[0, 2**32)"),
        Column("metric", pa.string(), "Name in the metric registry."),
        Column("metric_id", pa.string(), "Hash of the metric's identity and its features'."),
        Column("prompt_set", pa.int8(), "The prompt set that the value was measured on."),
        Column("value", pa.float64(), "The metric of this seed's images in the set."),
        Column("low", pa.float64(), "Lower end of the 95 % interval."),
        Column("high", pa.float64(), "Upper end of the 95 % interval."),
        Column("n", pa.int64(), "Images that the value uses; equal for all seeds.", "images"),
        Column("unit", pa.string(), "Unit of value, low and high."),
        Column("higher_is_better", pa.bool_(), "Direction; null if neither end is better."),
        Column("method", pa.string(), "How the interval was computed."),
    ),
)
"""One row per (seed, metric, prompt set)."""


MANIFEST = Table(
    "manifest",
    (
        Column("receipt", pa.string(), "Key of the receipt file."),
        Column("changed_ns", pa.int64(), "Time of the last change of that file.", "ns since 1970"),
        Column("shard_id", pa.string(), "The tile's id.", "16 hex digits"),
        Column("block", pa.string(), "The seed block's name.", "8 hex digits"),
        Column("file", pa.string(), "Key of the data file in the shard folder."),
        Column("rows", pa.int64(), "Rows in the file.", "rows"),
        Column("file_bytes", pa.int64(), "Size of the file.", "bytes"),
        Column("content_sha256", pa.string(), "Hash of the content columns.", "hex"),
        Column("run_id", pa.string(), "The run.", "16 hex digits"),
        Column("footer_sha256", pa.string(), "Hash of the data file's footer.", "hex"),
        Column("file_sha256", pa.string(), "Hash of the whole data file.", "hex"),
        Column("failed", pa.int64(), "Rows without a usable image.", "rows"),
        Column("source_sha256", pa.string(), "Content hash of the source shard.", "hex"),
    ),
)
"""One row per receipt; see `manifest.py`."""


def feature_table(name: str, columns: Sequence[Column]) -> Table:
    """Make the table of a feature: cell key, why values are null, then the feature's columns.

    Args:
        name: The feature's name.
        columns: The feature's columns, in order.

    Example:
        >>> feature_table("size", [Column("area", pa.float32(), "Area.", "0..1")]).names
        ['prompt_id', 'seed', 'null_reason', 'area']
    """
    reason = Column("null_reason", pa.string(), "Why the values of this row are null.")
    return Table(name, (*CELL_KEY, reason, *columns))


def latents_table(shape: tuple[int, int, int]) -> Table:
    """Make the table of kept latents: one row per cell and step.

    Args:
        shape: (C, h, w) of one image's latents.

    Example:
        >>> latents_table((4, 8, 8)).arrow().field("latents").type.list_size
        256
    """
    size = shape[0] * shape[1] * shape[2]
    step = Column("step", pa.int32(), "0: the start; k: what the k-th step left.", "steps")
    values = Column("latents", vector(size), "C x h x w numbers, row by row.")
    return Table("latents", (*CELL_KEY, step, values))


def vector(size: int) -> pa.DataType:
    """The type of an embedding: a fixed-size list of `size` float32 numbers."""
    return pa.list_(pa.float32(), size)
