from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analysis.seed_shares import COLUMNS, variance_table
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, Pixels

SEEDS, PROMPTS = 12, 48


def grey(level: float) -> Pixels:
    return np.full((64, 64, 3), np.clip(level, 0, 255), np.uint8)


def level(*names: int, spread: float) -> float:
    return float(np.random.default_rng(names).normal(0, spread))


def with_seeds(prompt: Prompt, seed: int) -> Pixels:
    """A seed is bright or dark, the same for each prompt."""
    name = int(prompt.id, 16)
    return grey(
        128 + level(seed, spread=15) + level(name, spread=15) + level(name, seed, spread=15)
    )


def scrambled(prompt: Prompt, seed: int) -> Pixels:
    """The brightness depends on prompt and seed together, as with noise of hash(prompt, seed)."""
    name = int(prompt.id, 16)
    return grey(128 + level(name, spread=15) + level(name, seed, spread=21))


def run_of(path: Path, draw: synthetic.Draw) -> Run:
    run = synthetic.start(path, seeds=range(SEEDS), n_prompts=PROMPTS, tile=(12, 48))
    synthetic.draw_all(run, draw)
    synthetic.extract_all(run, "appearance", COLOUR)
    return run


def test_a_seed_has_a_share_only_where_there_is_a_seed(tmp_path: Path) -> None:
    shares = {}
    for draw in (with_seeds, scrambled):
        run = run_of(tmp_path / draw.__name__, draw)
        frame = variance_table(run, "appearance.brightness")
        assert frame["source"].to_list() == ["seed", "prompt", "rest"]
        assert frame["share"].sum() == pytest.approx(1)
        assert frame["groups"].to_list() == [12, 12, 12]
        assert (frame["n"] == frame["seeds"] * frame["prompts"]).all()
        shares[draw.__name__] = frame.row(by_predicate=pl.col("source") == "seed", named=True)
    assert shares["with_seeds"]["low"] > 0.05
    assert shares["with_seeds"]["share"] == pytest.approx(1 / 3, abs=0.15)
    assert shares["scrambled"]["low"] < 0 < shares["scrambled"]["high"]
    assert shares["scrambled"]["high"] < shares["with_seeds"]["share"]


def test_set_3_is_never_touched_and_vectors_have_no_share(tmp_path: Path) -> None:
    run = run_of(tmp_path, with_seeds)
    frame = variance_table(run, ["appearance.brightness"])
    assert frame["prompts"][0] == sum(prompt.set != 3 for prompt in run.prompts.values())
    with pytest.raises(RunError, match="holds vectors"):
        variance_table(run, f"{COLOUR}.mean")
    with pytest.raises(RunError, match="no variance shares"):
        variance_table(run, COLUMNS)  # grey images have no contrast
