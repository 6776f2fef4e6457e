"""The part of a seed that decides the image is found, whichever it is."""

from pathlib import Path

import pytest
import yaml

from analysis.studies import Findings, load_study
from analysis.studies.base import NotDrawnError
from pipeline.errors import RunError
from pipeline.runs.run import Run
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
    assert set(found[0.0].figures) == {"similarity", "eta", "strip"}
    recipe = Recipe(name="swaps", **yaml.safe_load(found[0.0].recipes["swaps"]))
    assert recipe.sampling.eta == 1.0
    assert {"plain", "to_0_at_0", "to_1_at_36", "eta_0", "eta_0.3_to_1_at_0"} <= set(recipe.arms)
    assert "eta_1" not in recipe.arms, "the plain arm has it"


def test_the_answer_is_given_for_each_eta(tmp_path: Path) -> None:
    """The start decides at a small eta and the steps at a large one; at 0, by construction."""
    by_steps = {0.3: 0.2, 1.0: 1.0}
    for eta, share in by_steps.items():
        for seed in (0, 1):
            arm(tmp_path / f"{eta}_to_{seed}", share, (seed, 0), eta=eta)
        arm(tmp_path / f"{eta}", share, eta=eta)
    arm(tmp_path / "0", 0.0, eta=0.0)
    arm(tmp_path / "unswapped", 0.5, eta=0.7)
    arm(tmp_path / "other_guidance", 0.5, eta=0.1, guidance_scale=7.0)
    arm(tmp_path / "other_guidance_swapped", 0.5, (1, 0), eta=0.1, guidance_scale=7.0)
    found = load_study("seed_swap").find(Run.open(tmp_path / "1.0"))
    rows = {one["eta"]: one for one in found.numbers["etas"]}
    decides = {eta: one["decides"] for eta, one in rows.items()}
    assert decides == {0.0: "start", 0.3: "start", 1.0: "steps"}
    assert rows[0.0]["to_i"] == pytest.approx(1)
    assert rows[0.0]["to_j"] == pytest.approx(rows[0.0]["to_other"], abs=0.1)
    assert rows[0.3]["seeds"] == 6, "three seeds i for each of two seeds j"
    swaps = [one for one in found.numbers["swaps"] if one["eta"] == 0.3]
    mean = sum(one["start_minus_steps"] for one in swaps) / 2
    assert rows[0.3]["start_minus_steps"] == pytest.approx(mean)
    assert "eta 0.3: " in found.outcome
    # From the arm of another eta, the rows are the same: each eta is compared with its own.
    again = load_study("seed_swap").find(Run.open(tmp_path / "0.3"))
    assert again.numbers["etas"] == found.numbers["etas"]


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
