"""A planted part of the noise is found in its bands, and not without seed effects."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from analysis.studies import Findings, load_study
from analysis.studies.base import NotDrawnError
from pipeline.errors import RunError
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from tests.analysis import synthetic
from tests.analysis.studies.planted_latents import LOW, plant_latents


def start(path: Path, *, seeds: int = 12, prompts: int = 24) -> Run:
    return synthetic.start(
        path, seeds=range(seeds), n_prompts=prompts, tile=(6, 8), features=[], ranking=None
    )


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("arms")
    runs = {name: start(folder / name) for name in ("plain", "half", "scrambled", "blind")}
    plant_latents(runs["plain"])
    plant_latents(runs["half"], left=LOW / 2)
    plant_latents(runs["scrambled"], seeds_matter=False)
    return runs


@pytest.fixture(scope="module")
def findings(arms: dict[str, Run]) -> Findings:
    return load_study("spectrum", {"permutations": 40}).find(arms["plain"])


def means(findings: Findings, arm: str) -> dict[str, dict[str, float]]:
    frame = findings.tables["bands"].frame
    rows = frame.filter((pl.col("arm") == arm) & pl.col("channel").is_null())
    return {row["band"]: row for row in rows.iter_rows(named=True)}


def test_bands_that_pass_are_found_and_are_common_to_a_seed(findings: Findings) -> None:
    bands = means(findings, "this run")
    truth = LOW**2 / (LOW**2 + 0.36)
    for band in ("0", "1"):
        assert bands[band]["low"] < truth + 0.1
        assert bands[band]["coherence"] == pytest.approx(truth, abs=0.15)
        assert bands[band]["common"] == pytest.approx(truth, abs=0.15)
        assert bands[band]["p"] < 0.05
    for band in ("2", "3-4", "5-8"):
        assert bands[band]["coherence"] < bands[band]["null_high"] + 0.02
        assert bands[band]["common_low"] < 0.02


def test_arms_beside_are_compared_and_those_without_latents_left_out(findings: Findings) -> None:
    assert set(findings.tables["bands"].frame["arm"]) == {"this run", "half", "scrambled"}
    half = means(findings, "half")
    assert half["1"]["change_high"] < 0
    assert half["5-8"]["change_low"] < 0 < half["5-8"]["change_high"]
    assert means(findings, "this run")["1"]["change"] is None
    scrambled = means(findings, "scrambled")["1"]
    assert scrambled["coherence"] < scrambled["null_high"] + 0.03
    assert scrambled["common_low"] < 0 < scrambled["common_high"]


def test_amplitudes_start_as_white_noise(findings: Findings) -> None:
    steps = findings.tables["steps"].frame
    first = steps.filter(step=0)
    assert (first["log_amplitude"].abs() < 0.1).all()
    last = {r["band"]: r["log_amplitude"] for r in steps.filter(step=20).iter_rows(named=True)}
    assert last["1"] > last["5-8"] + 0.1
    assert steps["step"].unique().sort().to_list() == [0, 1, 20]


def test_recipes_and_refusals(findings: Findings, arms: dict[str, Run], tmp_path: Path) -> None:
    for name, text in findings.recipes.items():
        recipe = Recipe(name=name, **yaml.safe_load(text))
        assert recipe.keep_latents == "all"
        assert recipe.arms
    study = load_study("spectrum")
    with pytest.raises(NotDrawnError, match=r"needs them: .* `keep_latents: all`") as lacking:
        study.find(arms["blind"])
    assert set(lacking.value.recipes) == set(findings.recipes)
    few = start(tmp_path / "few", seeds=4)
    plant_latents(few)
    with pytest.raises(RunError, match="4 seeds; this study needs at least 8"):
        study.find(few)
    partly = start(tmp_path / "partly")
    plant_latents(partly)
    tile = next(partly.tiles())
    partly.latents.supersede(tile.id, tile.block)
    with pytest.raises(RunError, match="no kept latents"):
        study.find(partly)
