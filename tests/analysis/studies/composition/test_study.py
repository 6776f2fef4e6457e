"""Composition on planted layouts: variance shares, missing objects, means per object."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.cells.cells import read_cells
from analysis.studies import load_study
from analysis.studies.base import Findings
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis.studies.planted_run import LAYOUT, Values, planted_run

SEEDS = 30
RECIPE = {"features": [LAYOUT], "metrics": [], "ranking": None}


def planted(prompts: Sequence[Prompt], lost: float) -> Values:
    """Plant x with a third each of seed, prompt and rest; y and depth with no seed effect."""
    rng = np.random.default_rng(2)
    shape = (SEEDS, len(prompts))
    seed = {"x": 1.0, "y": 0.0, "size": 0.2, "depth": 0.0}
    gone = rng.random(shape) < lost
    values = {
        name: 0.5
        + 0.02
        * (
            effect * rng.normal(size=(SEEDS, 1))
            + rng.normal(size=(1, shape[1]))
            + rng.normal(size=shape)
        )
        for name, effect in seed.items()
    }
    found = {name: np.where(gone, np.nan, each) for name, each in values.items()}
    return {LAYOUT: {"found": (~gone).astype(float), **found}}


def run_with(path: Path, lost: float = 0.1) -> Run:
    return planted_run(path, lambda p, _: planted(p, lost), seeds=SEEDS, prompts=150, **RECIPE)


def find(run: Run) -> Findings:
    return load_study("composition", {"feature": LAYOUT, "draws": 60}).find(run)


def test_shares_are_those_that_were_planted(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    found = find(run)
    shares = {row["measure"]: row for row in found.numbers["shares"]}
    assert shares["x"]["seed_low"] < 1 / 3 < shares["x"]["seed_high"]
    assert shares["x"]["seed_p"] == pytest.approx(1 / 61)
    for name in ("y", "depth"):
        assert shares[name]["seed_low"] < 0.01
        assert shares[name]["seed_p"] > 0.02
    y = read_cells(run, [f"{LAYOUT}.y"], sets=[1, 2]).columns[f"{LAYOUT}.y"]
    naive = np.nanvar(np.nanmean(y, axis=1)) / np.nanvar(y)
    assert naive > shares["y"]["seed_high"] / 2 > shares["y"]["seed"]  # means always differ
    repeats = found.numbers["rank_correlation_of_the_sets"]
    assert repeats["x"].value > 0.8
    assert abs(repeats["y"].value) < 0.5


def test_the_row_of_an_object_is_the_mean_over_images_that_show_it(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    frame = find(run).tables["objects"].frame
    sample = read_cells(run, [f"{LAYOUT}.x"], sets=[1, 2]).sample([f"{LAYOUT}.x"])
    here = [p.object == "kind 3" for p in sample.prompts]
    wanted = np.nanmean(sample.columns[f"{LAYOUT}.x"][:, here].astype(np.float64), axis=1)
    rows = frame.filter(object="kind 3")
    np.testing.assert_allclose(rows["x"], wanted, rtol=1e-12)
    assert rows["found"].max() <= rows["n"][0] == sum(here)
    assert rows["found"].sum() < SEEDS * sum(here)


def test_objects_that_are_not_drawn_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"found in .* needs 50%"):
        find(run_with(tmp_path, lost=0.7))
    study = load_study("composition", {"feature": LAYOUT, "objects": ["dragon"]})
    with pytest.raises(RunError, match="no prompt of dragon"):
        study.find(run_with(tmp_path / "whole"))
