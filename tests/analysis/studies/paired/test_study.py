"""The planted effects of a change are found, and a change without effect has none."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import stats

from analysis.pictures.contact_sheet import GAP, HEAD, THUMB
from analysis.studies import Findings, load_study
from analysis.studies.base import NotDrawnError
from pipeline.errors import RunError
from pipeline.runs.run import Run
from pipeline.settings.recipe import parse_recipe
from tests.analysis import synthetic
from tests.analysis.studies.planted_arms import (
    LIGHT,
    arms_of,
    drawn_arm,
    planted_arm,
    with_pictures,
)
from tests.analysis.studies.planted_run import SCORE, SCORES

SEEDS, PROMPTS, WIDTH = 32, 96, 32
BETTER, SPREAD, MOVED = 0.3, 0.5, 0.3
"""A change that improves scores by 0.3 +- 0.5 and moves each number of an embedding by 0.3."""


def arm(path: Path, kind: str, **config: object) -> Run:
    """Plant `better` as above, `idle` without effect, `scrambled` with other seed effects."""
    rng, own = np.random.default_rng(1), np.random.default_rng(2)
    shape = (SEEDS, PROMPTS)
    seeds, other = rng.normal(size=(2, SEEDS, 1))
    rest = rng.normal(size=(1, PROMPTS)) + np.sqrt(2) * rng.normal(size=shape)
    embedding = rng.normal(size=(*shape, WIDTH))
    score = (0.2 * other if kind == "scrambled" else seeds) + rest
    if kind == "better":
        score = score + BETTER + SPREAD * own.normal(size=shape)
        embedding = embedding + MOVED * own.normal(size=embedding.shape)
    values = {SCORES: {"score": score}, "perceptual": {"embedding": embedding}}
    return planted_arm(path, values, metrics=[SCORE], **config)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    root = tmp_path_factory.mktemp("paired")
    run = arm(root / "run", "plain")
    for scale, kind in enumerate(("better", "idle", "scrambled"), start=4):
        arm(root / "run" / "arms" / kind, kind, guidance_scale=float(scale))
    return load_study("paired", {"runs": arms_of(run), "draws": 300, "permutations": 120}).find(run)


def row(found: Findings, table: str, other: str) -> dict[str, Any]:
    (own,) = [each for each in found.numbers[table] if each["other"] == other]
    return dict(own)


def test_win_rate_and_distance_are_those_that_were_planted(found: Findings) -> None:
    wins, pictures = row(found, "wins", "better"), row(found, "pictures", "better")
    truth = float(stats.norm.cdf(BETTER / SPREAD))
    assert wins["win_rate_low"] < truth < wins["win_rate_high"]
    assert wins["win_rate_high"] - wins["win_rate_low"] < 0.12
    assert wins["p"] < 0.01
    assert wins["change_low"] < BETTER < wins["change_high"]
    assert wins["n"] == SEEDS * PROMPTS
    assert pictures["n"] == 16 * PROMPTS
    assert pictures["ratio"] == pytest.approx(MOVED / np.sqrt(2), rel=0.02)
    assert pictures["ratio_low"] < MOVED / np.sqrt(2) < pictures["ratio_high"]
    assert pictures["seeds"] == pytest.approx(np.sqrt(2 * WIDTH), rel=0.02)
    assert "pixels, detail and sheet are left out" in found.outcome


def test_a_change_without_effect_wins_nothing(found: Findings) -> None:
    wins, shares = row(found, "wins", "idle"), row(found, "shares", "idle")
    assert (wins["win_rate"], wins["ties"], wins["p"], wins["change"]) == (0.5, 1.0, 1.0, 0.0)
    assert row(found, "pictures", "idle")["ratio"] == 0
    assert (shares["change"], shares["change_low"], shares["change_high"]) == (0, 0, 0)


def test_seed_effects_are_compared_in_size_and_in_kind(found: Findings) -> None:
    same, other = row(found, "ranks", "better"), row(found, "ranks", "scrambled")
    assert same["corrected"] == pytest.approx(1.0, abs=0.12)
    assert same["p"] < 0.01
    assert same["null_high"] < same["cross_low"]
    assert other["cross_low"] < 0.2 < same["cross"]
    assert other["p"] > 0.02
    before = row(found, "shares", "scrambled")
    assert before["before_low"] < 0.25 < before["before_high"]
    assert before["before_p"] < 0.01
    assert before["change_high"] < -0.05
    kept = row(found, "shares", "better")
    assert kept["change_low"] < 0.25 * 4 / 4.25 - 0.25 < kept["change_high"]


def test_detail_pixels_and_the_sheet(tmp_path: Path) -> None:
    run = with_pictures(tmp_path / "run")
    study = load_study("paired", {"runs": arms_of(run), "draws": 100})
    found = study.find(run)
    bands = {each["band"]: each for each in found.numbers["detail"]}
    fine = bands["17-32"]
    assert fine["change"] == pytest.approx(np.log(0.5), abs=0.02)
    assert fine["change_high"] < -0.6
    assert fine["p"] < 0.01
    assert fine["before"] == pytest.approx(np.log(16 / 255), abs=0.1)
    assert 0.05 < bands["0"]["change"] < 0.12  # 10 of about 125 levels lighter
    pixels = row(found, "pictures", "smooth")
    assert pixels["measure"] == "pixels"
    assert pixels["change"] == pytest.approx(np.hypot(10, 8) / 255, rel=0.03)
    assert 0 < pixels["ratio"] < 1
    sheet = Image.open(io.BytesIO(found.figures["cells_smooth"].png))
    assert sheet.height == HEAD + 2 * 4 * (THUMB + GAP)
    rows = np.asarray(sheet)[HEAD:, 160:270].reshape(8, THUMB + GAP, 110, 3)[:, 20:100]
    spread = np.diff(rows.astype(float), axis=2).std(axis=(1, 2, 3))
    assert (spread[0::2] > 1.5 * spread[1::2]).all()  # rows without and with the change alternate
    assert row(found, "wins", "smooth")["win_rate"] == 1


def test_recipes_and_refusals(found: Findings, tmp_path: Path) -> None:
    recipe = parse_recipe(yaml.safe_load(found.recipes["paired"]), Path("named.yaml"))
    assert list(recipe.arms) == ["baseline", "freeu", "plain"]
    run = drawn_arm(tmp_path / "run", fine=4.0)
    with pytest.raises(NotDrawnError, match="0 other runs; this study needs at least 1") as lacking:
        load_study("paired").find(run)
    assert list(lacking.value.recipes) == ["paired"]
    Run.start(tmp_path / "noisy", synthetic.config(noise="philox", eta=0.0), run.recipe)
    with pytest.raises(RunError, match="needs runs with equal latents and noise"):
        load_study("paired", {"runs": {"noisy": "../noisy"}}).find(run)
    score = np.zeros((4, 16))
    for name in ("few", "fewer"):
        few = planted_arm(tmp_path / name, {SCORES: {"score": score}}, metrics=[SCORE])
    with pytest.raises(RunError, match=r"4 seeds in both this run and few; .* at least 8"):
        load_study("paired", {"runs": {"few": "../few"}}).find(few)
    with pytest.raises(RunError, match=r"few: .*this study needs appearance"):
        load_study("paired", {"runs": {"few": "../few"}, "metrics": [LIGHT]}).find(run)
