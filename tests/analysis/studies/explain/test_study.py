"""Effects of the noise are predicted up to the ceiling; other seed effects are not."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from analysis.studies import Findings, load_study
from analysis.studies.explain.noise_features import noise_features
from analysis.studies.explain.unseen_seeds import HIGH, LOW, RANDOM
from pipeline.errors import RunError
from pipeline.noise import draw_noise
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from tests.analysis import synthetic
from tests.analysis.studies.planted_run import (
    SCORE,
    SCORES,
    ordered_prompts,
    planted_prompt,
    write_feature,
)

FEATURE = "mean, channel 3"
RECIPE = {"features": [SCORES], "metrics": [SCORE], "ranking": None}
QUICK = {"permutations": 60, "each": 20}
Effect = Callable[[Sequence[int]], np.ndarray]


def of_noise(seeds: Sequence[int]) -> np.ndarray:
    """Make an effect of one feature of the noise, plus a small effect independent of the noise."""
    found = noise_features(seeds, (16, 8, 8))
    values = found.values[:, found.names.index(FEATURE)] * 8
    other = [np.random.default_rng([5, seed]).normal() for seed in seeds]
    return 2 * values + 0.5 * np.array(other)


def of_nothing(seeds: Sequence[int]) -> np.ndarray:
    """Make an equally large seed effect that does not depend on the noise."""
    return np.array([2 * np.random.default_rng([6, seed]).normal() for seed in seeds])


def planted(path: Path, effect: Effect, seeds: Sequence[int]) -> Run:
    run = synthetic.start(path, seeds=[], n_prompts=0, tile=(16, 40), **RECIPE)
    run.grow(seeds, [planted_prompt(i, 12) for i in range(48)])
    known: list[Prompt] = ordered_prompts(run)
    cells = [[np.random.default_rng([int(p.id, 16), s]).normal() for p in known] for s in run.seeds]
    values = np.zeros((max(seeds) + 1, len(known)))
    values[list(run.seeds)] = effect(run.seeds)[:, None] + 3 * np.array(cells)
    write_feature(run, SCORES, {"score": values})
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("explain") / "run", of_noise, range(96))


@pytest.fixture(scope="module")
def found(run: Run) -> Findings:
    return load_study("explain", QUICK).find(run)


def test_what_the_noise_decides_is_predicted_nearly_to_the_ceiling(found: Findings) -> None:
    (row,) = found.numbers["targets"]
    assert row["r2_low"] > 0.5
    assert row["r2"] <= row["ceiling_high"]
    assert row["share_of_ceiling"] > 0.7
    assert row["p"] == 1 / 61
    assert row["null_mean"] < 0.05


def test_the_feature_that_decides_ranks_first(found: Findings) -> None:
    first, second = found.tables["features"].frame.head(2).iter_rows(named=True)
    assert first["feature"] == FEATURE
    assert first["p_family"] == 1 / 61
    assert first["weight"] > 0
    assert abs(first["correlation"]) > abs(second["correlation"]) + 0.2


def test_what_the_noise_does_not_decide_is_not_predicted(tmp_path: Path) -> None:
    found = load_study("explain", QUICK).find(planted(tmp_path / "run", of_nothing, range(96)))
    (row,) = found.numbers["targets"]
    assert row["ceiling"] > 0.8  # there is a seed effect
    assert row["r2"] < 0.1
    assert row["p"] > 0.05
    first = found.tables["features"].frame.row(0, named=True)
    assert first["p_family"] > 0.05
    assert abs(first["correlation"]) > 2 / np.sqrt(96)  # significant, if it were the only feature


def test_unseen_seeds_are_listed_before_they_are_drawn_and_then_hold(
    found: Findings, run: Run
) -> None:
    listed = found.tables["unseen"].frame
    assert min(listed["seed"]) > max(run.seeds)
    assert listed["seed"].is_unique().all()
    assert listed["found"].null_count() == 60
    assert dict(listed["group"].value_counts().iter_rows()) == {HIGH: 20, LOW: 20, RANDOM: 20}
    recipe = Recipe(name="unseen", **yaml.safe_load(found.recipes["unseen"]))
    assert recipe.seeds.values() == sorted(listed["seed"])
    planted(run.root.parent / "unseen", of_noise, recipe.seeds.values())
    checked = load_study("explain", {**QUICK, "unseen": "../unseen"}).find(run)
    assert checked.tables["unseen"].frame.drop("found").equals(listed.drop("found"))
    assert checked.numbers["check"]["high_less_low"].low > 2
    assert checked.numbers["check"]["low_less_random"].high < 0
    planted(run.root.parent / "nothing", of_nothing, recipe.seeds.values())
    nothing = load_study("explain", {**QUICK, "unseen": "../nothing"}).find(run)
    apart = nothing.numbers["check"]["high_less_low"]
    assert apart.low < 0 < apart.high
    planted(run.root.parent / "others", of_noise, range(200, 260))
    with pytest.raises(RunError, match="holds other seeds"):
        load_study("explain", {**QUICK, "unseen": "../others"}).find(run)


def test_noise_features_are_of_the_noise_alone() -> None:
    found = noise_features([7, 3], (16, 8, 8))
    noise, _ = draw_noise([3], (16, 8, 8))
    column = dict(zip(found.names, found.values[1], strict=True))
    assert column["mean, channel 2"] == pytest.approx(noise[0, 2].double().mean().item())
    patch = noise[0, :, 2:4, 6:8].double() ** 2
    assert column["energy, row 1, column 3"] == pytest.approx(patch.mean().item())
    y = np.arange(8)
    wave = np.sqrt(2) * np.cos(np.pi * 2 * (y + 0.5) / 8)[:, None] * np.ones(8) / 8
    wanted = (noise[0, 5].double().numpy() * wave).sum()
    assert column["cosine 0 across, 2 down, channel 5"] == pytest.approx(wanted)
    assert column["cosine 2 across, 0 down, channel 5"] != pytest.approx(wanted)
    many = noise_features(range(3000), (4, 4, 4)).values
    assert np.abs(np.corrcoef(many[:, :16].T) - np.eye(16)).max() < 0.1  # uncorrelated


def test_refusals_say_what_is_needed(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="16 seeds; this study needs at least 20"):
        load_study("explain", QUICK).find(planted(tmp_path / "few", of_noise, range(16)))
    with pytest.raises(RunError, match=r"needs one of score"):
        load_study("explain", {**QUICK, "check": "fid"}).find(run)
    with pytest.raises(RunError, match="needs metrics that are means over images"):
        load_study("explain", {"targets": ["kid_perceptual"]}).find(run)
