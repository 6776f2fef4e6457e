"""Write the images of a run for Embedding Atlas, with a place for each image on a plane."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from analysis.statistics.embedding import principal_scores
from goldenseed.api.queries import KEY, cell_table, committed_paths, named_features, scan
from pipeline.errors import ConfigError, RunError, nearest
from pipeline.runs.run import Run
from pipeline.storage.parquet import write_table
from pipeline.storage.schema import IMAGE_TYPE, IMAGES

MOST_IMAGES = 20_000
"""Rows of a file, at most: they are in memory at once, with their images."""
LABELS = ("text", "object", "modifier", "group", "category", "challenge", "set", "status")


def write_atlas(run: Run, path: Path, *, feature: str, seeds: Sequence[int]) -> Path:
    """Write the file; see `RunView.to_atlas`.

    Raises:
        ConfigError: If there is such a file, there are too many images, or the feature is unknown.
        RunError: If the run kept no images, or measures no vector.
    """
    if path.suffix != ".parquet":
        raise ConfigError(f"{path}: end the name in .parquet")
    if path.exists():
        raise ConfigError(f"{path} exists; remove it or choose another name")
    name = _vector_feature(run, feature)
    rows = cell_table(run).filter(pl.col("seed").is_in(list(seeds)))
    if rows.height > MOST_IMAGES:
        raise ConfigError(
            f"{rows.height:,} images are more than the {MOST_IMAGES:,} of a file; give some seeds"
        )
    table = rows.join(_vectors(run, name), on=KEY, how="inner").join(
        _images(run, seeds), on=KEY, how="inner"
    )
    if not table.height:
        raise RunError(f"{run.root} holds no image that is kept and has the feature {name}")
    write_table(path, _placed(table), provenance={"run_id": run.run_id, "feature": name})
    return path


def _placed(table: pl.DataFrame) -> pa.Table:
    """Add x and y: the first two principal components of the vectors."""
    vectors = np.array(table["vector"].to_list(), dtype=np.float64)
    scores = principal_scores(vectors, 2)
    x, y = scores[:, 0], scores[:, 1] if scores.shape[1] > 1 else np.zeros(len(scores))
    labels = [name for name in LABELS if name in table.columns]
    numbers = [name for name in table.columns if "." in name]
    plain = table.select(*reversed(KEY), *labels, *numbers, "vector").to_arrow()
    images = pa.array(table["image"].to_list(), type=IMAGE_TYPE)
    features: Mapping[str, pa.Array] = {"x": pa.array(x), "y": pa.array(y), "image": images}
    for name, values in features.items():
        plain = plain.append_column(name, values)
    return plain


def _vector_feature(run: Run, wanted: str) -> str:
    """Find the feature whose vectors place the images: the wanted one, or the first that has any.

    Raises:
        ConfigError: If the run has no such feature.
        RunError: If no feature of the run has a vector.
    """
    folders = named_features(run)
    vectors = [name for name in folders if _vector_column(committed_paths(folders[name]))]
    if wanted and wanted not in vectors:
        raise ConfigError(
            f"the run measures no vectors {wanted!r}: {nearest(wanted, vectors)}"
            f"it has {', '.join(vectors) or 'none'}"
        )
    if not vectors:
        raise RunError(
            f"{run.root} measures no feature with a vector, such as perceptual or clip: add one to "
            f"`features`, then `goldenseed measure`"
        )
    return wanted or vectors[0]


def _vector_column(files: Sequence[str]) -> str:
    """Find the first column of vectors; empty if there is none."""
    if not files:
        return ""
    schema = pl.scan_parquet(list(files)).collect_schema()
    return next((name for name, kind in schema.items() if kind.is_nested()), "")


def _vectors(run: Run, feature: str) -> pl.DataFrame:
    files = committed_paths(named_features(run)[feature])
    column = pl.col(_vector_column(files)).alias("vector")
    return pl.scan_parquet(files).select(*KEY, column).drop_nulls().collect()


def _images(run: Run, seeds: Sequence[int]) -> pl.DataFrame:
    images = scan(run, run.images, IMAGES).select(*KEY, "image")
    return images.filter(pl.col("seed").is_in(list(seeds))).drop_nulls().collect()
