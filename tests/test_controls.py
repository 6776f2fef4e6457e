"""End to end on real images: a seed effect is found where there is one, and nowhere else."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis.seed_sentence import seed_sentence
from analysis.seed_shares import share_table
from pipeline.interventions.seed_plant import planted
from pipeline.runs.layout import PER_SEED_FILE
from pipeline.runs.run import Run
from tests.in_process import run_recipe

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 20}
seeds: {start: 100, count: 24}
tile: {seeds: 12, prompts: 5}
batch_size: 64
sampling: {num_inference_steps: 2, guidance_scale: 1.0}
arms:
  none: {}
  seed_scramble: {intervention: {name: seed_scramble}}
  seed_plant: {intervention: {name: seed_plant, parameters: {strengths: [0.2]}}}
features: [appearance]
metrics: [brightness, contrast]
ranking: null
"""


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run folder of each arm."""
    out = run_recipe(tmp_path_factory.mktemp("controls"), RECIPE)
    return {path.name: path for path in out.iterdir() if path.is_dir()}


@pytest.fixture(scope="module")
def shares(arms: dict[str, Path]) -> dict[str, pl.DataFrame]:
    """The variance shares of each arm."""
    return {
        name: share_table(Run.open(arms[name]), draws=200) for name in ("none", "seed_scramble")
    }


def brightness(table: pl.DataFrame) -> dict[str, Any]:
    return table.row(by_predicate=pl.col("measure") == "brightness", named=True)


def test_seed_has_a_share_of_brightness(shares: dict[str, pl.DataFrame]) -> None:
    assert brightness(shares["none"])["seed_low"] > 0
    assert seed_sentence(shares["none"].to_dicts()).startswith("The seed decides ")


def test_without_seeds_the_share_is_not_above_zero(shares: dict[str, pl.DataFrame]) -> None:
    scrambled = brightness(shares["seed_scramble"])
    assert scrambled["seed_low"] <= 0 <= scrambled["seed_high"]
    assert scrambled["seed_high"] < brightness(shares["none"])["seed_low"]
    assert "not shown that the seed" in seed_sentence(shares["seed_scramble"].to_dicts())


def contrast(folder: Path) -> dict[int, float]:
    """The contrast of each seed on set 1, from the table per seed."""
    table = pl.read_parquet(folder / PER_SEED_FILE).filter(metric="contrast", prompt_set=1)
    return dict(table.select("seed", "value").iter_rows())


def test_a_planted_effect_is_found_with_its_size_and_nowhere_else(arms: dict[str, Path]) -> None:
    before, after = contrast(arms["none"]), contrast(arms["seed_plant"])
    lost = {seed: 1 - after[seed] / before[seed] for seed in before}
    known = {seed: planted(seed, strengths=[0.2]) for seed in before}
    assert lost == pytest.approx(known, abs=0.01)
    assert sorted(seed for seed, share in known.items() if share) == [107, 122]
