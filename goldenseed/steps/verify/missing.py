"""Find shards that are gone although a result of the present grid was computed from them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from analysis.extraction.extract import feature_folder, run_feature
from analysis.metrics import load_metric
from analysis.per_seed import metric_identity, read_per_seed
from analysis.ranking.rank import read_ranking
from goldenseed.steps.verify.checked import Checked
from goldenseed.steps.verify.shards import was_set_aside
from pipeline.errors import GoldenseedError
from pipeline.runs.layout import PER_SEED_FILE, RANKING_FILE
from pipeline.runs.run import Run
from pipeline.storage.shards import ShardFolder


def check_missing(run: Run) -> Iterator[Checked]:
    """Look for the shards of each result, unless they were set aside to be made again."""
    results = {
        RANKING_FILE: _ranking_metrics(run),
        PER_SEED_FILE: _per_seed_metrics(run),
    }
    for result, metrics in results.items():
        for folder in _folders(run, metrics) if metrics else ():
            for tile in run.tiles():
                key = folder.receipt_key(tile.id, tile.block)
                if run.store.exists(key) or was_set_aside(run.store, folder, tile.id, tile.block):
                    continue
                yield Checked(key, f"is missing, and {result} was computed from its shard")


def _ranking_metrics(run: Run) -> Mapping[str, str]:
    """Give the metric of the ranking: name -> identity; empty without one of this grid."""
    with suppress(GoldenseedError):
        ranking = read_ranking(run)
        return {ranking.metric: ranking.metric_id}
    return {}


def _per_seed_metrics(run: Run) -> Mapping[str, str]:
    """Give the metrics of per_seed.parquet; empty if it is missing or of another grid."""
    with suppress(GoldenseedError):
        table = read_per_seed(run, of_this_grid=True)
        return dict(table.select("metric", "metric_id").unique().iter_rows())
    return {}


def _folders(run: Run, metrics: Mapping[str, str]) -> list[ShardFolder]:
    """List the shard folders that metrics were computed from: images, and current features."""
    folders = {run.images.prefix: run.images}
    for name, identity in metrics.items():
        with suppress(GoldenseedError):
            metric = load_metric(name)
            if metric_identity(run, metric) == identity:
                features = (run_feature(run, feature) for feature in metric.features)
                own = (feature_folder(run, feature) for feature in features)
                folders |= {folder.prefix: folder for folder in own}
    return [*folders.values()]
