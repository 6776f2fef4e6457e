"""Ask a run with SQL, or read it as one table, for DuckDB and pandas."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from pipeline.errors import ConfigError, RunError, nearest
from pipeline.runs.layout import FEATURES_FOLDER, PER_SEED_FILE
from pipeline.runs.run import Run, feature_folders
from pipeline.storage.manifest import receipt_index
from pipeline.storage.schema import IMAGES, Table
from pipeline.storage.shards import ShardFolder

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

NEEDS_EXTRA = "{what} needs {library}, which is not installed: pip install 'goldenseed[notebook]'"
KEY = ("prompt_id", "seed")


def committed_paths(folder: ShardFolder) -> list[str]:
    """List the files of a folder that have a receipt, so that half-written ones are never read."""
    return [str(folder.data_path(receipt)) for receipt in receipt_index(folder).values()]


def named_features(run: Run) -> dict[str, ShardFolder]:
    """Give the feature folders of a run by name.

    Returns:
        "appearance" -> folder. Where a run holds several versions of a feature, each has its full
        identity as its name ("appearance-1a2b3c4d").
    """
    folders = {
        folder.prefix.removeprefix(f"{FEATURES_FOLDER}/"): folder
        for folder in feature_folders(run.store)
    }
    short = [identity.rpartition("-")[0] for identity in folders]
    return {
        name if short.count(name) == 1 else identity: folder
        for name, (identity, folder) in zip(short, folders.items(), strict=True)
    }


def feature_folder(run: Run, name: str) -> ShardFolder:
    """Find the folder of a feature by its name or its full identity.

    Raises:
        RunError: If the run holds no such feature, or several versions of it.
    """
    folders = {
        folder.prefix.removeprefix(f"{FEATURES_FOLDER}/"): folder
        for folder in feature_folders(run.store)
    }
    matches = [identity for identity in folders if name in (identity, identity.rpartition("-")[0])]
    if len(matches) > 1:
        raise RunError(
            f"{run.root} holds several versions of feature {name!r}; give the full identity: "
            f"{', '.join(matches)}"
        )
    if not matches:
        known = ", ".join(folders) or "no features"
        raise RunError(
            f"{run.root} holds no feature {name!r}; {nearest(name, folders)}it holds {known}"
        )
    return folders[matches[0]]


def scan(run: Run, folder: ShardFolder, table: Table | None = None) -> pl.LazyFrame:
    """Scan all rows of a folder that have a receipt.

    Args:
        run: The run.
        folder: The folder.
        table: Its columns, of which those that old shards lack are null there.

    Raises:
        RunError: If there is none.
    """
    paths = committed_paths(folder)
    if not paths:
        raise RunError(f"{run.root} holds no {folder.prefix} yet; run `goldenseed run`")
    if table is None:
        return pl.scan_parquet(paths)
    schema = pl.DataFrame(table.arrow().empty_table()).schema
    return pl.scan_parquet(paths, schema=schema, missing_columns="insert")


def query(run: Run, sql: str) -> pl.DataFrame:
    """Answer a query over the committed shards of a run; see `RunView.sql`.

    Raises:
        ConfigError: If DuckDB is not installed or refuses the query; the message names the tables.
    """
    try:
        import duckdb
    except ImportError as error:
        message = NEEDS_EXTRA.format(what="run.sql", library="DuckDB")
        raise ConfigError(message) from error
    with duckdb.connect() as connection:
        names = list(_create_views(run, connection))
        try:
            frame = connection.sql(sql)
        except duckdb.Error as error:
            raise ConfigError(
                f"the query failed: {str(error).splitlines()[0]}; tables: {', '.join(names)}"
            ) from error
        if frame is None:
            raise ConfigError(f"the query gives no rows; write a SELECT over {', '.join(names)}")
        result = pl.from_arrow(frame.to_arrow_table())
    if not isinstance(result, pl.DataFrame):
        raise TypeError(f"a table became {type(result).__name__}")
    return result


def _create_views(run: Run, connection: "duckdb.DuckDBPyConnection") -> Iterator[str]:
    """Make each table of a run a view, and yield its name."""
    paths = {"images": committed_paths(run.images)}
    paths |= {name: committed_paths(folder) for name, folder in named_features(run).items()}
    per_seed = run.store.path(PER_SEED_FILE)
    paths |= {"per_seed": [str(per_seed)] if per_seed.is_file() else []}
    for name, files in paths.items():
        if files:
            connection.read_parquet(files, union_by_name=True).create_view(name)
            yield name


def cell_table(run: Run) -> pl.DataFrame:
    """Read one row per image: prompt, seed and status, and each single number of its features.

    Returns:
        Columns of the image shards without the images themselves, and "feature.column" for each
        number; null where a feature is not measured.

    Raises:
        RunError: If nothing is drawn yet.
    """
    table = scan(run, run.images, IMAGES).drop("image", strict=False)
    for name, folder in named_features(run).items():
        files = committed_paths(folder)
        if files:
            table = table.join(_numbers(name, files), on=KEY, how="left")
    return table.collect().sort(*reversed(KEY))


def to_pandas(run: Run) -> "pd.DataFrame":
    """Give `cell_table` as a frame of pandas.

    Raises:
        ConfigError: If pandas is not installed.
        RunError: If nothing is drawn yet.
    """
    try:
        return cell_table(run).to_pandas()
    except ImportError as error:
        message = NEEDS_EXTRA.format(what="run.to_pandas", library="pandas")
        raise ConfigError(message) from error


def _numbers(name: str, files: list[str]) -> pl.LazyFrame:
    """Read the number columns of a feature, named "feature.column"."""
    rows = pl.scan_parquet(files)
    schema = rows.collect_schema()
    numbers = [
        column
        for column, kind in schema.items()
        if column not in KEY and (kind.is_numeric() or kind == pl.Boolean)
    ]
    return rows.select(*KEY, *(pl.col(column).alias(f"{name}.{column}") for column in numbers))
