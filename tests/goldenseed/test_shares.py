"""The table of variance shares, end to end, against statsmodels' two-way analysis of variance."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.formula.api import ols

from analysis.cells import read_cells
from analysis.statistics.variance import seed_share_null, variance_shares
from analysis.studies.variance import scalar_measures, share_table
from pipeline.runs import Run
from tests.analysis import synthetic
from tests.analysis.studies.test_variance import scrambled, with_seeds
from tests.goldenseed.conftest import Call

SOURCES = ("seed", "prompt", "rest")


def components(values: np.ndarray) -> np.ndarray:
    """Shares by statsmodels' mean squares and the textbook's expected mean squares."""
    s, p = values.shape
    frame = pd.DataFrame(
        {"y": values.ravel(), "seed": np.repeat(np.arange(s), p), "prompt": np.tile(range(p), s)}
    )
    table = sm.stats.anova_lm(ols("y ~ C(seed) + C(prompt)", frame).fit(), typ=2)
    seed, prompt, rest = (table["sum_sq"] / table["df"])[["C(seed)", "C(prompt)", "Residual"]]
    parts = np.array([(seed - rest) / p, (prompt - rest) / s, rest])
    return parts / parts.sum()


def planted(rng: np.random.Generator) -> np.ndarray:
    effects = rng.normal(size=(10, 1)), rng.normal(size=(1, 25)), rng.normal(size=(10, 25))
    return sum(effects, np.zeros((10, 25)))


def test_shares_equal_statsmodels() -> None:
    values = planted(np.random.default_rng(3))
    shares = variance_shares(values)
    ours = [getattr(shares, source).value for source in SOURCES]
    np.testing.assert_allclose(ours, components(values), rtol=1e-9)
    naive = np.array([values.mean(axis=1).var(ddof=1), values.mean(axis=0).var(ddof=1)])
    assert abs(naive[0] / values.var(ddof=1) - ours[0]) > 0.005  # variance of means is biased


def test_permuted_owners_have_no_share() -> None:
    rng = np.random.default_rng(0)
    values = planted(rng)
    for groups in (None, np.arange(25) % 8):
        null = seed_share_null(values, groups, rng, draws=100)
        assert abs(null.mean()) < 0.02
        assert variance_shares(values, groups).seed.value > null.max()
    relabelled = values[rng.permutation(10)]  # whole seeds: tests nothing
    assert variance_shares(relabelled).seed.value == pytest.approx(
        variance_shares(values).seed.value
    )


def run_of(path: Path, draw: synthetic.Draw) -> Run:
    names = {"features": ["appearance"], "metrics": ["brightness"]}
    run = synthetic.start(path, seeds=range(12), n_prompts=48, tile=(12, 48), **names)
    synthetic.draw_all(run, draw)
    synthetic.extract_all(run, "appearance")
    return run


def test_every_scalar_measure_has_a_row_and_the_scramble_has_no_seed(tmp_path: Path) -> None:
    rows = {}
    for draw in (with_seeds, scrambled):
        run = run_of(tmp_path / draw.__name__, draw)
        frame = share_table(run, draws=60)
        assert frame["measure"].to_list() == [one.name for one in scalar_measures(run)]
        assert "appearance.contrast" in frame["measure"]
        assert "appearance.brightness" not in frame["measure"]  # it is the metric's
        assert share_table(run, draws=60).equals(frame)
        rows[draw.__name__] = {row["measure"]: row for row in frame.to_dicts()}
    seeds, scramble = rows["with_seeds"]["brightness"], rows["scrambled"]["brightness"]
    assert seeds["seed_p"] == pytest.approx(1 / 61)
    assert seeds["seed"] > seeds["seed_null_high"]
    assert scramble["seed_p"] > 0.02
    assert scramble["seed_low"] < 0 < scramble["seed_high"]
    flat = [row for row in rows["with_seeds"].values() if row["seed"] is None]
    assert flat  # grey pictures have no colour at all
    assert all("do not vary" in row["note"] for row in flat)


def test_the_command_prints_shares(call: Call, run_folder: Path) -> None:
    found = call("shares", run_folder, "--json")
    assert found.code == 0
    ((run),) = json.loads(found.out)
    brightness = next(row for row in run["measures"] if row["measure"] == "brightness")
    assert sum(brightness[source] for source in SOURCES) == pytest.approx(1)
    cells = read_cells(Run.open(run_folder), ["appearance.brightness"], sets=(1, 2))
    sample = cells.sample(["appearance.brightness"])
    shares = variance_shares(sample.columns["appearance.brightness"].astype(float), sample.groups)
    assert brightness["seed"] == pytest.approx(shares.seed.value)
    assert "brightness" in call("shares", run_folder).out
