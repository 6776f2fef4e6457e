import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analysis.metrics import load_metric
from analysis.per_seed import PER_SEED_FILE, measure, metric_identity, read_per_seed
from pipeline.errors import RegistryError, RunError
from pipeline.runs import Run
from pipeline.schema import PER_SEED
from pipeline.shards import read_table
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, COLOUR_KID, noisy

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


def test_a_metrics_identity_is_that_of_all_it_is_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = load_metric("brightness")
    first = metric_identity(metric)
    assert first == metric_identity(load_metric("brightness"))
    assert first != metric_identity(load_metric("contrast"))
    monkeypatch.setattr("analysis.features.appearance.Appearance.code_version", 99)
    assert metric_identity(metric) != first
    own = load_metric(COLOUR_KID)
    before = metric_identity(own)
    monkeypatch.setattr(synthetic.ColourKid, "version", 99)
    assert metric_identity(own) != before


def test_a_metric_that_cannot_be_shown_says_why(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frame = measure(run, [COLOUR_KID, "brightness"], n=2)
    assert set(frame["metric"]) == {"brightness"}
    assert "kid_colour is not shown for set 1: 2 images per seed" in caplog.text


def test_unknown_metrics_and_unmeasured_runs_are_errors(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="did you mean 'brightness'"):
        measure(run, ["brigthness"])
    with pytest.raises(RunError, match="goldenseed measure"):
        read_per_seed(synthetic.start(tmp_path, n_prompts=2))
