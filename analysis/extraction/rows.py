"""The rows of a feature shard: for every cell a value, or a null with its reason."""

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
"""A null with this reason is no failure: the feature means nothing for the prompt."""
NOT_KEPT = "image was not kept"
"""Reason of a null where the image is gone; features must be measured while it is drawn."""


def feature_rows(
    feature: Feature, rows: pa.Table, images: Uint8Images, kept: Sequence[bool]
) -> pa.Table:
    """Compute a feature's shard.

    Args:
        feature: After `setup`.
        rows: The image shard's rows; `image` may be absent.
        images: Shape (N, H, W, 3), uint8, aligned with the rows.
        kept: Which rows have pixels.

    Returns:
        One row per cell in the same order, as `feature.table` says; values are null, with the
        reason, where the cell failed, has no pixels, or the feature does not apply.
    """
    reasons = _null_reasons(feature, rows, kept)
    wanted = np.array([reason is None for reason in reasons])
    values: Columns = {}
    if wanted.any():
        prompts = rows.select([column.name for column in PROMPT_FIELDS]).filter(pa.array(wanted))
        values = extract_in_batches(feature, Batch(images[wanted], prompts.to_pylist()))
    schema = feature.table.arrow()
    own: dict[str, Any] = {key.name: rows[key.name] for key in CELL_KEY}
    own["null_reason"] = pa.array(reasons, type=pa.string())
    for column in feature.columns:
        own[column.name] = _arrow(values.get(column.name), wanted, column)
    return pa.table([own[name] for name in schema.names], schema=schema)


def _null_reasons(feature: Feature, rows: pa.Table, kept: Sequence[bool]) -> list[str | None]:
    fields = [column.name for column in PROMPT_FIELDS]
    answers: dict[str, str] = {}
    reasons: list[str | None] = []
    for row, there in zip(
        rows.drop_columns(_if_there(rows, "image")).to_pylist(), kept, strict=True
    ):
        key = row["prompt_id"]
        if key not in answers:
            skipped = feature.prompt_share.skips(key) if feature.prompt_share else ""
            answers[key] = skipped or feature.applies({name: row[name] for name in fields})
        if answers[key]:
            reasons.append(NOT_APPLICABLE + answers[key])
        elif row["status"] != STATUS_OK:
            reasons.append(f"{row['status']}: {row['reason'] or 'no reason given'}")
        else:
            reasons.append(None if there else NOT_KEPT)
    return reasons


def _if_there(rows: pa.Table, name: str) -> list[str]:
    return [name] if name in rows.column_names else []


def _arrow(values: NDArray[Any] | None, wanted: NDArray[np.bool_], column: Column) -> pa.Array:
    """The values of the wanted rows in their places, null elsewhere."""
    if values is None:
        return pa.nulls(len(wanted), column.type)
    numbers = np.issubdtype(values.dtype, np.number)
    if numbers and not column.may_be_nan and not np.isfinite(values).all():
        raise ShardError(f"{column.name} is not finite for a good image")
    filled = iter(values if values.ndim > 1 else values.tolist())
    return pa.array([next(filled) if good else None for good in wanted], type=column.type)
