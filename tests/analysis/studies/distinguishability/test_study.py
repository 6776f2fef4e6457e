"""Seeds are told apart on unseen prompt groups if images show them, and not otherwise."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from analysis.studies import Findings, load_study
from analysis.studies.base import Study
from pipeline.errors import RunError
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from tests.analysis import synthetic
from tests.analysis.studies.distinguishability.painted import (
    of_cell,
    of_group_and_seed,
    of_seed,
    painted_prompts,
    painted_run,
    painter,
)

QUICK = {"epochs": 6, "batch_size": 24, "fewer": [], "pictures": [0, 6, 18]}


def study(**settings: object) -> Study:
    return load_study("distinguishability", {**QUICK, **settings})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return painted_run(tmp_path_factory.mktemp("painted") / "run")


@pytest.fixture(scope="module")
def findings(run: Run) -> Findings:
    redrawn = synthetic.start(
        run.root.parent / "redrawn", seeds=[], n_prompts=0, tile=(3, 7), order="prompts"
    )
    redrawn.grow([5, 3, 1, 0], painted_prompts(72))
    synthetic.draw_all(redrawn, painter(of_seed))
    scrambled = painted_run(run.root.parent / "scrambled", of_cell)
    others = {"redrawn": "../redrawn", "scrambled": str(scrambled.root)}
    return study(others=others, fewer=[0.2]).find(run)


def test_seeds_that_images_show_are_named_and_permuted_owners_are_not(findings: Findings) -> None:
    tests = findings.numbers["tests"]
    assert tests["test"].value > 0.8
    assert findings.numbers["p"] == 1 / 2001
    null = tests["null: trained on permuted owners"]
    assert null.low < 1 / 8 < null.high
    assert null.high < tests["test"].low


def test_seeds_of_another_run_are_named_if_its_images_show_them(findings: Findings) -> None:
    rows = {row["test"]: row for row in findings.tables["tests"].frame.iter_rows(named=True)}
    assert rows["redrawn"]["change"] == 0
    assert rows["redrawn"]["n"] == rows["test"]["n"] / 2  # half of the seeds
    assert rows["scrambled"]["change_high"] < -0.3
    assert rows["scrambled"]["low"] < 1 / 8 < rows["scrambled"]["high"]
    assert set(rows) >= {"jpeg 50", "resized to 1/2", "cropped to 80 %"}
    assert rows["jpeg 90"]["top1"] > 0.8


def test_fewer_prompts_take_as_many_steps(findings: Findings) -> None:
    epochs = findings.tables["epochs"].frame
    steps = (
        epochs.group_by("trained_on")
        .agg(passes=pl.col("epoch").max() * pl.col("prompts").first())
        .filter(pl.col("trained_on").is_in(["seeds", "0.2 of the prompts"]))["passes"]
    )
    assert steps.max() / steps.min() < 1.1
    curve = findings.tables["prompts"].frame["prompts"].to_list()
    assert curve == sorted(curve)
    assert len(curve) == 2


def test_without_seed_effects_accuracy_is_at_chance(tmp_path: Path) -> None:
    findings = study(null=False).find(painted_run(tmp_path / "run", of_cell))
    assert findings.numbers["tests"]["test"].low < 1 / 8 < findings.numbers["tests"]["test"].high
    assert findings.numbers["p"] > 0.01


def test_effects_within_groups_do_not_count_and_a_split_by_prompts_would_count_them(
    tmp_path: Path,
) -> None:
    few = {"seeds": 4, "prompts": 96, "kinds": 8}
    top1 = {}
    for groups in (True, False):
        run = painted_run(tmp_path / str(groups), of_group_and_seed, groups=groups, **few)
        top1[groups] = study(null=False).find(run).numbers["tests"]["test"].value
    assert top1[True] < 0.5
    assert top1[False] > 0.7


def test_the_written_recipes_are_valid(findings: Findings, run: Run) -> None:
    recipes = {name: Recipe(name=name, **yaml.safe_load(t)) for name, t in findings.recipes.items()}
    redrawn = recipes["redrawn"]
    assert redrawn.batch_size == 1
    assert redrawn.seeds.values() == sorted(run.seeds, reverse=True)
    assert set(redrawn.prompts.chosen) <= set(run.prompts)
    assert recipes["scrambled"].sampling.intervention is not None
    assert recipes["scrambled"].sampling.intervention.name == "seed_scramble"
    assert redrawn.sampling.num_inference_steps == run.config.num_inference_steps


def test_too_little_is_refused_with_what_is_missing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="3 seeds; this study needs at least 4"):
        study(seeds=3).find(run)
    copy = Run.open(shutil.copytree(run.root, tmp_path / "run"))
    with pytest.raises(RunError, match=r"needs 9,000"):
        study(pictures=[9000, 4, 4]).find(copy)
    with pytest.raises(RunError, match="not a run folder"):
        study(others={"x": "../nowhere"}, null=False, epochs=1).find(copy)
