"""The part of a seed that decides the image is found, whichever it is."""

from pathlib import Path

import pytest
import yaml

from analysis.studies import Findings, load_study
from analysis.studies.base import NotDrawnError
from pipeline.errors import RunError
from pipeline.settings.recipe import Recipe
from tests.analysis.studies.swapped import arm, swapped_runs


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Findings]:
    folder = tmp_path_factory.mktemp("swaps")
    shares = (0.0, 0.2, 1.0)
    runs = {share: swapped_runs(folder / str(share), by_steps=share) for share in shares}
    arm(folder / "0.0" / "other", 1.0, (1, 0), guidance_scale=7.0)
    arm(folder / "0.0" / "elsewhere", 1.0, (9, 0))
    return {share: load_study("seed_swap").find(run) for share, run in runs.items()}


def row(found: Findings, step: int) -> dict[str, float]:
    return next(one for one in found.numbers["swaps"] if one["step"] == step)


def test_a_start_that_decides_everything_is_found_without_an_effect_of_the_steps(
    found: dict[float, Findings],
) -> None:
    one = row(found[0.0], 0)
    assert one["to_i"] == pytest.approx(1)
    assert one["start_share"] == pytest.approx(1)
    assert one["trace_low"] < 0 < one["trace_high"] or abs(one["trace_of_j"]) < 0.1
    assert one["to_other"] > 0.1  # the prompt alone makes images similar, so 0 is not the null


def test_steps_that_decide_everything_are_found(found: dict[float, Findings]) -> None:
    one, later = row(found[1.0], 0), row(found[1.0], 20)
    assert one["to_j"] == pytest.approx(1)
    assert one["trace_low"] > 0.2
    assert one["start_share"] < 0.2
    assert later["to_i"] > one["to_i"] + 0.1  # a later swap leaves more of i
    assert later["to_j"] < one["to_j"] - 0.1


def test_a_small_effect_of_the_steps_is_found(found: dict[float, Findings]) -> None:
    one = row(found[0.2], 0)
    assert 0.5 < one["start_share"] < 1
    assert 0 < one["trace_of_j"] < row(found[1.0], 0)["trace_of_j"]


def test_only_swaps_with_equal_sampling_to_a_seed_of_the_run_count(
    found: dict[float, Findings],
) -> None:
    rows = found[0.0].tables["swaps"].frame
    assert rows["arm"].to_list() == ["to_1_at_0", "to_1_at_20"]
    assert rows["seeds"].to_list() == [3, 3]
    assert set(found[0.0].figures) == {"similarity", "strip"}
    recipe = Recipe(name="swaps", **yaml.safe_load(found[0.0].recipes["swaps"]))
    assert recipe.sampling.eta == 1.0
    assert {"plain", "to_0_at_0", "to_1_at_36"} <= set(recipe.arms)


def test_refusals_say_what_is_needed(tmp_path: Path) -> None:
    study = load_study("seed_swap")
    alone = arm(tmp_path / "alone" / "plain", 0.0)
    with pytest.raises(NotDrawnError, match=r"needs at least 1: .* seedling-mini-swap") as lacking:
        study.find(alone)
    assert "to_0_at_0" in yaml.safe_load(lacking.value.recipes["swaps"])["arms"]
    with pytest.raises(RunError, match="no step noise; this study needs"):
        study.find(arm(tmp_path / "still" / "plain", 0.0, eta=0.0))
    swapped = arm(tmp_path / "alone" / "swap", 0.0, (1, 0))
    with pytest.raises(RunError, match="needs the plain arm"):
        study.find(swapped)
    assert study.find(alone).numbers["swaps"]
