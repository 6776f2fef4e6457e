"""Curves with known corners: a better change is found, a move along the curve is not."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from analysis.metrics import load_metric
from analysis.metrics.base import ReferenceMetric
from analysis.statistics.distances import kid
from analysis.studies import Findings, load_study
from analysis.studies.base import NotDrawnError
from pipeline.errors import RunError
from pipeline.settings.recipe import parse_recipe
from tests.analysis.studies.planted_arms import CURVE, arms_of, curve_arm, curves, planted_arm
from tests.analysis.studies.planted_run import SCORE

BETTER = {1.0: (0.3, 0.5), 2.0: (1.0, 0.4), 4.0: CURVE[4.0], 8.0: CURVE[8.0]}
"""A change that is better by 0.5 without guidance, by 0.2 at 2, and nowhere else."""
ALONG = {2.0: CURVE[4.0], 8.0: CURVE[4.0]}
"""A change that moves along the same curve: not better at any scale."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    run = curves(
        tmp_path_factory.mktemp("guidance") / "run", {"seed_plant": BETTER, "freeu": ALONG}
    )
    return load_study("guidance", {"runs": arms_of(run), "alignment": SCORE}).find(run)


def rows(found: Findings, change: str, table: str = "changes") -> dict[float, dict[str, float]]:
    return {row["guidance"]: row for row in found.numbers[table] if row["change"] == change}


def test_a_change_is_inside_where_it_was_planted(found: Findings) -> None:
    better = rows(found, "seed_plant")
    assert [better[w]["inside"] for w in (1.0, 2.0, 4.0, 8.0)] == [True, True, False, False]
    # The plain curve's best quality at alignment 0.3 and more is that of its corner at 1: 0.6.
    assert better[1.0]["gap"] == pytest.approx(0.1, abs=0.04)
    assert better[2.0]["gap"] == pytest.approx(0.2, abs=0.04)
    assert better[1.0]["quality_change"] == pytest.approx(-0.5, abs=0.05)
    assert better[1.0]["quality_change_high"] < -0.3
    assert better[1.0]["alignment_change_low"] > 0.1
    assert better[1.0]["p_holm"] >= 4 * better[1.0]["p"] > 0
    assert "without guidance seed_plant changes gap by -0." in found.outcome
    assert "seed_plant lies inside the curve without it at 2 of 4" in found.outcome


def test_moving_along_the_curve_is_not_better(found: Findings) -> None:
    along = rows(found, "freeu")
    assert along[8.0]["quality_change_high"] < -0.4  # clearly better at the same scale
    assert not along[8.0]["inside"]
    assert not along[2.0]["inside"]
    assert along[8.0]["p"] > 0.05


def test_points_are_paired_and_the_best_are_marked(found: Findings) -> None:
    points = rows(found, "none", "points")
    assert points[1.0]["alignment"] == pytest.approx(points[2.0]["alignment"] - 1.0, abs=0.05)
    # Seeds and prompts vary far more than the arms differ, so the intervals of the arms overlap.
    better = rows(found, "seed_plant", "points")
    assert better[1.0]["quality_high"] > points[1.0]["quality_low"]
    assert better[2.0]["undominated"]
    assert points[1.0]["clearly_dominated"]
    assert not points[4.0]["clearly_dominated"]
    assert {row["n"] for row in found.numbers["points"]} == {8 * 48}


def test_quality_is_that_of_the_pooled_images(tmp_path: Path) -> None:
    metric = load_metric("kid_perceptual")
    assert isinstance(metric, ReferenceMetric)
    rng, arms = np.random.default_rng(0), {}
    for scale, shift in ((1.0, 0.5), (3.0, 0.1)):
        values = rng.choice(metric.reference, size=4 * 24).reshape(4, 24, -1) + shift
        alignment = scale + rng.normal(size=(4, 24))
        arms[scale] = values.reshape(-1, values.shape[2]).astype(np.float32)
        run = planted_arm(
            tmp_path / f"g{scale:g}",
            {"perceptual": {"embedding": values}, "clip_seedling": {"similarity": alignment}},
            metrics=["kid_perceptual"],
            guidance_scale=scale,
        )
    study = load_study("guidance", {"runs": {"one": "../g1"}, "permutations": 20})
    found = study.find(run)
    points = rows(found, "none", "points")
    for scale, embeddings in arms.items():
        assert points[scale]["quality"] == pytest.approx(
            kid(embeddings, metric.reference), rel=1e-9
        )
    assert points[3.0]["undominated"]
    assert not points[1.0]["undominated"]
    assert found.tables["changes"].frame.height == 0
    assert "kid_perceptual against clip_seedling" in found.outcome


def test_recipes_and_refusals(found: Findings, tmp_path: Path) -> None:
    recipe = parse_recipe(yaml.safe_load(found.recipes["guidance"]), Path("named.yaml"))
    assert {"guidance1", "guidance8", "freeu_guidance1.5"} < set(recipe.arms)
    run = curve_arm(tmp_path / "a", 1.0, CURVE[1.0])
    curve_arm(tmp_path / "b", 1.0, CURVE[1.0], change="seed_plant")
    curve_arm(tmp_path / "c", 1.0, CURVE[2.0])
    with pytest.raises(NotDrawnError, match=r"1 guidance scales .* needs at least 2") as lacking:
        load_study("guidance", {"alignment": SCORE, "runs": {"b": "../b"}}).find(run)
    wanted = parse_recipe(yaml.safe_load(lacking.value.recipes["guidance"]), Path("named.yaml"))
    assert "seed_plant_guidance3" in wanted.arms
    with pytest.raises(RunError, match=r"both none at guidance 1; a curve needs one"):
        load_study("guidance", {"alignment": SCORE, "runs": {"c": "../c"}}).find(run)
    with pytest.raises(RunError, match="this study needs clip or clip_seedling"):
        load_study("guidance").find(run)
    few = curve_arm(tmp_path / "few", 1.0, CURVE[1.0], seeds=3)
    curve_arm(tmp_path / "more", 2.0, CURVE[2.0])
    with pytest.raises(RunError, match=r"3 seeds in all runs; this study needs at least 4"):
        load_study("guidance", {"alignment": SCORE, "runs": {"m": "../more"}}).find(few)
