"""Make the rows of a feature shard: for each cell a value, or a null with its reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.features.base import Batch, Columns, Feature, extract_in_batches
from pipeline.errors import ShardError
from pipeline.stage import Uint8Images
from pipeline.storage.schema import CELL_KEY, PROMPT_FIELDS, STATUS_OK, Column

NOT_APPLICABLE = "does not apply: "
"""A null with this reason is not a failure: the feature means nothing for the prompt."""
NOT_KEPT = "image was not kept"
"""Reason of a null whose image is gone; its features must be extracted while it is drawn."""


def feature_rows(
    feature: Feature, rows: pa.Table, images: Uint8Images, kept: Sequence[bool]
) -> pa.Table:
    """Extract a feature for the rows of an image shard.

    Args:
        feature: The feature, after `setup`.
        rows: Rows of the image shard; the column `image` may be missing.
        images: Shape (N, H, W, 3), uint8, aligned with the rows.
        kept: Which rows have pixels.

    Returns:
        One row per cell in the same order, in the layout of `feature.table`. A value is null, with
        the reason, if the cell failed or has no pixels, or if the feature does not apply.
    """
    reasons = _null_reasons(feature, rows, kept)
    wanted = np.array([reason is None for reason in reasons])
    values: Columns = {}
    if wanted.any():
        prompts = rows.select([column.name for column in PROMPT_FIELDS]).filter(pa.array(wanted))
        values = extract_in_batches(feature, Batch(images[wanted], prompts.to_pylist()))
    schema = feature.table.arrow()
    columns: dict[str, Any] = {key.name: rows[key.name] for key in CELL_KEY}
    columns["null_reason"] = pa.array(reasons, type=pa.string())
    for column in feature.columns:
        columns[column.name] = _arrow(values.get(column.name), wanted, column)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def lacks(table: pa.Table) -> list[str]:
    """List why cells of a feature shard lack a value, except where the feature does not apply.

    Args:
        table: As `feature_rows` gives it.
    """
    reasons = (reason for reason in table["null_reason"].to_pylist() if reason is not None)
    return [reason for reason in reasons if not reason.startswith(NOT_APPLICABLE)]


def _null_reasons(feature: Feature, rows: pa.Table, kept: Sequence[bool]) -> list[str | None]:
    fields = [column.name for column in PROMPT_FIELDS]
    answers: dict[str, str] = {}
    reasons: list[str | None] = []
    without_pixels = rows.drop_columns(_if_present(rows, "image"))
    for row, has_pixels in zip(without_pixels.to_pylist(), kept, strict=True):
        key = row["prompt_id"]
        if key not in answers:
            skipped = feature.prompt_share.skips(key) if feature.prompt_share else ""
            answers[key] = skipped or feature.applies({name: row[name] for name in fields})
        if answers[key]:
            reasons.append(NOT_APPLICABLE + answers[key])
        elif row["status"] != STATUS_OK:
            reasons.append(f"{row['status']}: {row['reason'] or 'no reason given'}")
        else:
            reasons.append(None if has_pixels else NOT_KEPT)
    return reasons


def _if_present(rows: pa.Table, name: str) -> list[str]:
    return [name] if name in rows.column_names else []


def _arrow(values: NDArray[Any] | None, wanted: NDArray[np.bool_], column: Column) -> pa.Array:
    """Put values into the wanted rows, and null into all others."""
    if values is None:
        return pa.nulls(len(wanted), column.type)
    numbers = np.issubdtype(values.dtype, np.number)
    if numbers and not column.may_be_nan and not np.isfinite(values).all():
        raise ShardError(f"column {column.name} is not finite for an image that is not damaged")
    filled = iter(values if values.ndim > 1 else values.tolist())
    return pa.array([next(filled) if good else None for good in wanted], type=column.type)
