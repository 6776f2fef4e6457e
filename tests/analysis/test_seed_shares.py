from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analysis.seed_shares import share_table
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
        row = share_table(run, draws=20).row(
            by_predicate=pl.col("measure") == "appearance.brightness", named=True
        )
        assert row["seed"] + row["prompt"] + row["rest"] == pytest.approx(1)
        assert row["groups"] == 12
        assert row["n"] == row["seeds"] * row["prompts"]
        assert row["prompts"] == sum(prompt.set != 3 for prompt in run.prompts.values())
        shares[draw.__name__] = row
    assert shares["with_seeds"]["seed_low"] > 0.05
    assert shares["with_seeds"]["seed"] == pytest.approx(1 / 3, abs=0.15)
    assert shares["scrambled"]["seed_low"] < 0 < shares["scrambled"]["seed_high"]
    assert shares["scrambled"]["seed_high"] < shares["with_seeds"]["seed"]


def test_vectors_have_no_share(tmp_path: Path) -> None:
    run = run_of(tmp_path, with_seeds)
    assert f"{COLOUR}.mean" not in share_table(run, draws=20)["measure"]
