"""The table of variance shares, end to end, against statsmodels' two-way analysis of variance."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from statsmodels.formula.api import ols

from analysis.cells.cells import read_cells
from analysis.metrics.layout import LayoutX, fill_not_found
from analysis.seed_sentence import seed_sentence
from analysis.seed_shares import fewest_draws, scalar_measures, share_table
from analysis.statistics.variance import seed_share_null, variance_shares
from goldenseed.output.shares import print_shares
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.studies.planted_run import LAYOUT, Values, planted_run
from tests.analysis.test_seed_shares import scrambled, with_seeds
from tests.goldenseed.conftest import Call

SOURCES = ("seed", "prompt", "rest")


def components(values: np.ndarray) -> np.ndarray:
    """Shares from statsmodels' mean squares and the textbook's expected mean squares."""
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


def test_each_scalar_measure_has_a_row_and_a_scrambled_run_no_seed_effect(tmp_path: Path) -> None:
    rows: dict[str, dict[str, Any]] = {}
    sentences: list[str] = []
    for draw in (with_seeds, scrambled):
        run = run_of(tmp_path / draw.__name__, draw)
        frame = share_table(run, draws=60)
        sentences.append(seed_sentence(share_table(run, draws=fewest_draws(run)).to_dicts()))
        assert frame["measure"].to_list() == [measure.name for measure in scalar_measures(run)]
        assert "appearance.contrast" in frame["measure"]
        assert "appearance.brightness" not in frame["measure"]  # it is the metric's
        assert share_table(run, draws=60).equals(frame)
        rows[draw.__name__] = {row["measure"]: row for row in frame.to_dicts()}
    seeds, scramble = rows["with_seeds"]["brightness"], rows["scrambled"]["brightness"]
    assert seeds["seed_p"] == pytest.approx(1 / 61)
    assert seeds["seed"] > seeds["seed_null_high"]
    assert scramble["seed_p"] > 0.02
    assert scramble["seed_low"] < 0 < scramble["seed_high"]
    assert sentences[0].startswith(f"The seed decides {seeds['seed']:.1%} [")
    assert sentences[1].startswith("It is not shown that the seed decides anything")
    flat = [row for row in rows["with_seeds"].values() if row["seed"] is None]
    assert flat  # grey images have no colour at all
    assert all("do not vary" in row["note"] for row in flat)


def test_the_command_prints_shares(call: Call, run_folder: Path) -> None:
    called = call("shares", run_folder, "--json")
    assert called.code == 0
    (run,) = json.loads(called.out)
    brightness = next(row for row in run["measures"] if row["measure"] == "brightness")
    assert sum(brightness[source] for source in SOURCES) == pytest.approx(1)
    cells = read_cells(Run.open(run_folder), ["appearance.brightness"], sets=(1, 2))
    sample = cells.sample(["appearance.brightness"])
    shares = variance_shares(sample.columns["appearance.brightness"].astype(float), sample.groups)
    assert brightness["seed"] == pytest.approx(shares.seed.value)
    out = " ".join(call("shares", run_folder).out.split())
    assert "brightness" in out
    assert "p: from 2,000 permutations, so its floor is 1 / 2,001." in out
    assert run["sentence"] == seed_sentence(run["measures"])
    assert run["sentence"] in out


def layouts(prompts: Sequence[Prompt], seeds: int, *, share: float) -> Values:
    """Positions of an object that depend on the seed, with NaN where it is not found."""
    rng = np.random.default_rng(4)
    shape = (seeds, len(prompts))
    x = np.linspace(0, 0.5, seeds)[:, None] + 0.1 * rng.random(shape)
    return {LAYOUT: {"x": np.where(rng.random(shape) < share, x, np.nan)}}


def layout_run(path: Path, share: float) -> Run:
    size = {"seeds": 8, "prompts": 40, "objects": 5}
    recipe = {"features": [LAYOUT], "metrics": [PLACE], "ranking": None}
    return planted_run(path, lambda p, s: layouts(p, s, share=share), **size, **recipe)


def test_shares_of_a_position_count_only_objects_that_were_found(tmp_path: Path) -> None:
    run = layout_run(tmp_path, 0.7)
    row = share_table(run, draws=20).row(by_predicate=pl.col("measure") == "place", named=True)
    sample = read_cells(run, [f"{LAYOUT}.x"], sets=(1, 2)).sample([f"{LAYOUT}.x"])
    raw = sample.columns[f"{LAYOUT}.x"].astype(np.float64)
    assert row["n"] == np.isfinite(raw).sum() < raw.size
    assert row["seed"] == pytest.approx(variance_shares(raw, sample.groups).seed.value)
    filled = variance_shares(fill_not_found(raw), sample.groups).seed.value
    assert abs(filled - row["seed"]) > 0.05  # the negative control


def test_nothing_found_is_a_note_in_the_table(tmp_path: Path, call: Call) -> None:
    run = layout_run(tmp_path, 0.0)
    called = call("shares", run.root)
    assert called.code == 0
    assert "no cell has a value" in called.out
    assert "Traceback" not in called.err


def letters(prompts: Sequence[Prompt], seeds: int, *, events: int) -> Values:
    """An event in a given number of cells; earlier seeds show it more often."""
    rng = np.random.default_rng(6)
    shape = (seeds, len(prompts))
    weights = np.repeat(np.arange(seeds, 0, -1.0), len(prompts))
    chosen = rng.choice(seeds * len(prompts), events, replace=False, p=weights / weights.sum())
    shown = np.isin(np.arange(seeds * len(prompts)), chosen).reshape(shape)
    return {LAYOUT: {"x": shown.astype(float)}}


@pytest.mark.parametrize("events", [3, 60])
def test_rare_events_have_an_estimate_and_a_null_but_no_interval(
    tmp_path: Path, call: Call, events: int
) -> None:
    recipe = {"features": [LAYOUT], "metrics": [PLACE], "ranking": None}
    size = {"seeds": 8, "prompts": 40, "objects": 5}
    run = planted_run(tmp_path, lambda p, s: letters(p, s, events=events), **size, **recipe)
    raw = read_cells(run, [f"{LAYOUT}.x"], sets=(1, 2)).sample([f"{LAYOUT}.x"]).columns
    shown = int(raw[f"{LAYOUT}.x"].sum())
    row = share_table(run, draws=20).row(by_predicate=pl.col("measure") == "place", named=True)
    assert (shown < 20) == (events == 3)
    assert -1 < row["seed"] < 1
    assert 0 < row["seed_p"] <= 1
    called = call("shares", run.root)
    assert called.code == 0
    if shown < 20:
        assert row["note"].startswith(f"no interval: {shown} of ")
        assert (row["seed_low"], row["rest_high"], row["method"]) == (None, None, None)
        assert "no interval" in " ".join(called.out.split())
        assert "[" not in next(line for line in called.out.splitlines() if "place" in line)
    else:  # the negative control: enough events have an interval
        assert row["seed_low"] < row["seed"] < row["seed_high"]
        assert row["note"] == ""


class Place(LayoutX):
    """The planted position of the object."""

    name: ClassVar[str] = "place"
    needs: ClassVar[tuple[str, ...]] = (f"{LAYOUT}.x",)


PLACE = "tests.goldenseed.output.test_shares:Place"


@pytest.mark.parametrize(
    ("p", "low", "disagree"),
    [(0.0005, -0.01, True), (0.0005, 0.01, False), (0.4, -0.01, False), (0.4, 0.01, True)],
)
def test_where_p_and_the_interval_disagree_it_says_which_to_believe(
    p: float, low: float, *, disagree: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = {"seed": 0.03, "seed_low": low, "seed_high": 0.08, "seed_p": p, "draws": 2000}
    others = {f"{part}{end}": 0.4 for part in ("prompt", "rest") for end in ("", "_low", "_high")}
    counts = {"n": 96, "seeds": 8, "prompts": 12, "groups": 12, "seed_null_high": 0.02}
    row = {"measure": "brightness", **numbers, **others, **counts, "note": "", "method": "m"}
    print_shares([("run", pl.DataFrame([row]))], as_json=False)
    out = capsys.readouterr().out
    assert ("brightness: p and the interval disagree. Believe p" in out) == disagree
