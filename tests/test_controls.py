"""End to end on real images: where there are no seeds, none may be found."""

import sys
from pathlib import Path

import polars as pl
import pytest

from analysis.studies.variance import variance_table
from goldenseed.cli import main
from pipeline.runs import Run

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
features: [appearance]
metrics: [brightness]
ranking: null
"""


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """The seed's share of the variance of each arm, by column."""
    folder = tmp_path_factory.mktemp("controls")
    (folder / "recipe.yaml").write_text(RECIPE)
    arguments = ["run", str(folder / "recipe.yaml"), "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["goldenseed", *arguments, "--executor", "local"])
        with pytest.raises(SystemExit) as stop:
            main()
    assert stop.value.code == 0
    arms: dict[str, Path] = {name: folder / "run" / name for name in ("none", "seed_scramble")}
    return {
        name: variance_table(Run.open(path), "appearance.brightness").filter(source="seed")
        for name, path in arms.items()
    }


def test_seed_has_a_share_of_brightness(shares: dict[str, pl.DataFrame]) -> None:
    assert shares["none"]["low"].item() > 0


def test_without_seeds_the_share_covers_zero(shares: dict[str, pl.DataFrame]) -> None:
    scrambled = shares["seed_scramble"]
    assert scrambled["low"].item() <= 0 <= scrambled["high"].item()
    assert scrambled["high"].item() < shares["none"]["low"].item()
