import logging
import pickle
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from analysis.cells import seed_parts
from analysis.cells.cells import Sample
from analysis.cells.reader import CellReader
from analysis.features import load_feature
from analysis.metrics import load_metric
from analysis.metrics.base import REFERENCES_VARIABLE
from analysis.per_seed import (
    MeasureStage,
    Part,
    group_refusal,
    measure,
    metric_identity,
    read_per_seed,
)
from analysis.per_seed.parts import Wanted
from analysis.per_seed.table import Spread
from analysis.statistics.arrays import Array
from pipeline.errors import ConfigError, RegistryError, RunError
from pipeline.executors.local import LocalExecutor
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.layout import PER_SEED_FILE
from pipeline.runs.run import Run
from pipeline.stage import Outcome
from pipeline.storage.parquet import read_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import PER_SEED
from pipeline.storage.shards import ShardFolder
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, COLOUR_FRECHET, COLOUR_KID, noisy

METRICS = ["brightness", "failure_rate", COLOUR_KID]


def measured(path: Path, **shape: object) -> Run:
    run = synthetic.start(path, **{"n_prompts": 24, "seeds": range(4), **shape})
    synthetic.draw_all(run)
    synthetic.extract_all(run, "appearance", COLOUR)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return measured(tmp_path_factory.mktemp("run"))


def test_one_row_per_metric_set_and_seed_with_the_means_of_the_pictures(run: Run) -> None:
    frame = measure(run, METRICS)
    assert frame.columns == PER_SEED.names
    assert len(frame) == 3 * 2 * 4
    assert set(frame["prompt_set"]) == {1, 2}  # set 3 is never touched
    row = frame.row(
        by_predicate=(pl.col("metric") == "brightness")
        & (pl.col("prompt_set") == 2)
        & (pl.col("seed") == 3),
        named=True,
    )
    prompts = [prompt for prompt in run.prompts.values() if prompt.set == 2]
    pixels = [noisy(prompt, 3) @ [0.299, 0.587, 0.114] / 255 for prompt in prompts]
    assert row["value"] == pytest.approx(np.mean(pixels), abs=1e-6)
    assert row["low"] < row["value"] < row["high"]
    assert (row["n"], row["unit"], row["higher_is_better"]) == (len(prompts), "fraction", None)
    assert "cluster-robust" in row["method"]


def test_the_table_is_on_disk_and_made_anew(run: Run) -> None:
    first = measure(run, METRICS)
    assert read_per_seed(run).equals(first)
    assert read_table(run.root / PER_SEED_FILE).schema.equals(PER_SEED.arrow())
    second = measure(run, ["brightness"], n=4)
    assert set(second["n"]) == {4}
    assert read_per_seed(run).equals(second)
    assert [p.name for p in run.root.iterdir() if PER_SEED_FILE in p.name] == [PER_SEED_FILE]


def test_shard_cuts_do_not_matter(run: Run, tmp_path: Path) -> None:
    other = measured(tmp_path, tile=(3, 5))
    assert measure(other, METRICS).equals(measure(run, METRICS))


class Watched(CellReader):
    """Counts the bytes of vectors that all readers together hold at once."""

    arrays: ClassVar[list[weakref.ref[Array]]] = []
    most: ClassVar[int] = 0

    def read(self, name: str, columns: Sequence[str]) -> None:
        super().read(name, columns)
        self.arrays.extend(weakref.ref(each) for each in self.columns.values() if each.ndim > 2)
        alive = [array for each in self.arrays if (array := each()) is not None]
        Watched.most = max(Watched.most, sum(array.nbytes for array in alive))


def test_seeds_a_few_at_a_time_give_the_same_bits_and_are_held_a_few_at_a_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_parts, "CellReader", Watched)
    found = {}
    for seeds_held, limit in ((4, 2**30), (1, 1), (2, 2 * 216)):
        Watched.most = 0
        monkeypatch.setattr(seed_parts, "PART_BYTES", limit)
        found[seeds_held] = measure(run, METRICS), Watched.most
    whole, most = found[4]
    for seeds_held in (1, 2):
        assert found[seeds_held][0].equals(whole)
        assert found[seeds_held][1] * 4 == most * seeds_held  # the control: all at once
    assert not measure(run, METRICS, n=4).equals(whole)  # other prompts are another table


def test_a_metrics_identity_is_that_of_all_it_is_made_from(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = load_metric("brightness")
    first = metric_identity(run, metric)
    assert first == metric_identity(run, load_metric("brightness"))
    assert first != metric_identity(run, load_metric("contrast"))
    monkeypatch.setattr("analysis.features.appearance.Appearance.code_version", 99)
    assert metric_identity(run, metric) != first
    own = load_metric(COLOUR_KID)
    before = metric_identity(run, own)
    monkeypatch.setattr(synthetic.ColourKid, "version", 99)
    assert metric_identity(run, own) != before


def test_another_share_of_the_prompts_is_another_metric(run: Run, tmp_path: Path) -> None:
    metric, found = load_metric("brightness"), set()
    for every in (2, 3):
        chosen = {"appearance": {"every": every}}
        some = synthetic.start(tmp_path / str(every), n_prompts=4, feature_prompts=chosen)
        found.add(metric_identity(some, metric))
    plain = metric.identity([load_feature("appearance").identity()])
    assert metric_identity(run, metric) == plain  # without a share, the identity stays
    assert len(found | {plain}) == 3
    colour = load_metric(COLOUR_KID)  # the share is of another feature
    assert metric_identity(some, colour) == metric_identity(run, colour)


def test_a_metric_that_cannot_be_shown_says_why(
    run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic.ColourKid, "reference", np.zeros((64, 4)))
    with caplog.at_level(logging.WARNING):
        frame = measure(run, [COLOUR_KID, "brightness"])
    assert set(frame["metric"]) == {"brightness"}
    assert "kid_colour is not shown for set 1: embeddings of width 3" in caplog.text


@pytest.mark.parametrize("sizes", [[7], [1], [6, 1], [1, 1]])
def test_too_few_groups_are_refused_where_an_interval_would_fail(sizes: list[int]) -> None:
    few, enough = sample_of(sizes), sample_of([*sizes, 1, 1])
    assert group_refusal(few).startswith(f"{sum(sizes)} images per seed in {len(sizes)} prompt gr")
    assert group_refusal(enough) == ""
    metric = load_metric(COLOUR_KID)
    assert metric.compute(enough.columns, enough.groups)
    with pytest.raises(ValueError, match=r"group|shape"):
        metric.compute(few.columns, few.groups)


def sample_of(sizes: list[int]) -> Sample:
    """Make a sample of groups of these sizes, with two seeds and random colours."""
    objects = [f"kind {place}" for place, size in enumerate(sizes) for _ in range(size)]
    prompts = tuple(Prompt(f"number {i} of {name}", object=name) for i, name in enumerate(objects))
    colours = np.random.default_rng(0).random((2, len(prompts), 3), np.float32)
    return Sample((0, 1), prompts, {f"{COLOUR}.mean": colours})


def test_unknown_metrics_and_unmeasured_runs_are_errors(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="did you mean 'brightness'"):
        measure(run, ["brigthness"])
    with pytest.raises(RunError, match="goldenseed measure"):
        read_per_seed(synthetic.start(tmp_path, n_prompts=2))


def spread_over(opened: list[MeasureStage]) -> Spread:
    """Measure each part with a stage of its own, sent as to an actor."""

    def spread(stage: MeasureStage, parts: Sequence[Part]) -> Iterator[Outcome]:
        for part in parts:
            opened.append(pickle.loads(pickle.dumps(stage)))
            yield from LocalExecutor().run(opened[-1], [part])

    return spread


def test_parts_on_an_executor_give_the_same_table(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, opened = [*METRICS, COLOUR_FRECHET], []
    whole = measure(run, metrics, spread=spread_over(opened))
    assert not opened  # one part is measured in this process
    monkeypatch.setattr(seed_parts, "PART_BYTES", 1)
    assert measure(run, metrics, spread=spread_over(opened)).equals(whole)
    assert len(opened) == 4  # one seed each, for both metrics of vectors


def test_an_actor_finds_the_references_of_the_driver(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(REFERENCES_VARIABLE, str(tmp_path))
    stage = MeasureStage(run.root, run.recipe, [Wanted("fid", 1, ())])
    monkeypatch.delenv(REFERENCES_VARIABLE)  # as on another machine
    elsewhere = pickle.loads(pickle.dumps(stage))
    with pytest.raises(ConfigError, match=rf"reference {tmp_path}/inception.safetensors is miss"):
        elsewhere.setup()


def test_a_part_that_fails_elsewhere_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_parts, "PART_BYTES", 1)

    def spread(stage: MeasureStage, parts: Sequence[Part]) -> list[Outcome]:
        del stage
        return [Outcome(part.id, error="no memory") for part in parts]

    with pytest.raises(RunError, match=r"seeds 0-0 could not be measured: no memory"):
        measure(run, METRICS, spread=spread)
    measure(run, METRICS)


@pytest.mark.parametrize(("seeds_held", "reads"), [(4, 1), (3, 2)])
def test_all_metrics_and_sets_share_one_pass_if_a_tile_fits(
    run: Run, monkeypatch: pytest.MonkeyPatch, seeds_held: int, reads: int
) -> None:
    """A part that ends within a tile is the control: the tile is read again for the next part."""
    opened: Counter[str] = Counter()
    read = ShardFolder.read

    def spy(self: ShardFolder, receipt: Receipt, columns: Sequence[str]) -> pa.Table:
        opened[receipt.file] += "mean" in columns
        return read(self, receipt, columns)

    monkeypatch.setattr(seed_parts, "PART_BYTES", seeds_held * 216)
    monkeypatch.setattr(ShardFolder, "read", spy)
    measure(run, [COLOUR_KID, COLOUR_FRECHET])
    assert set(opened.values()) == {reads}


def test_the_recipe_says_how_much_memory_a_part_takes(tmp_path: Path) -> None:
    run = measured(tmp_path, tile=(4, 24), analysis_memory_gb=1e-6)
    with pytest.raises(RunError, match=r"`analysis_memory_gb` of the recipe allows 0\.0 GB"):
        measure(run, [COLOUR_KID])
