"""Style on planted vectors: a group of grey seeds is confirmed, and no other group is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.studies import load_study
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis.studies.everything import STYLE, WIDTH
from tests.analysis.studies.planted_run import Values, planted_run

SEEDS, GREY = 48, tuple(range(10))
RECIPE = {"features": [STYLE, "appearance"], "metrics": [], "ranking": None}


def planted(prompts: Sequence[Prompt], shift: float) -> Values:
    rng = np.random.default_rng(6)
    shape = (SEEDS, len(prompts))
    grey = np.isin(np.arange(SEEDS), GREY)[:, None]
    prompt = rng.normal(size=(1, len(prompts), WIDTH))
    own = rng.normal(size=(*shape, WIDTH))
    direction = rng.normal(size=WIDTH)
    style = prompt + own + shift * grey[:, :, None] * direction
    numbers = {
        name: 0.5 + 0.1 * rng.normal(size=shape)
        for name in ("saturation", "sky_score", "border_score")
    }
    numbers["saturation"] -= 0.1 * shift * grey
    return {STYLE: {"style": style}, "appearance": numbers}


def run_with(path: Path, shift: float, prompts: int = 60) -> Run:
    return planted_run(path, lambda p, _: planted(p, shift), seeds=SEEDS, prompts=prompts, **RECIPE)


def numbers(run: Run, groups: int = 4) -> dict[str, Any]:
    settings = {"groups": groups, "draws": 1000, "landmarks": 150}
    return dict(load_study("style", settings).find(run).numbers)


def test_grey_seeds_are_a_group_that_set_2_confirms(tmp_path: Path) -> None:
    found = numbers(run_with(tmp_path, 1.0))
    assert found["seed_share_p"] == pytest.approx(1 / 201)
    confirmed = [row for row in found["groups"] if row["confirmed"]]
    assert [row["trait"] for row in confirmed] == ["grey"]
    members = {int(seed) for seed in confirmed[0]["members"].split(", ")}
    assert members == set(GREY)
    truth = 0.1 * (1 - len(GREY) / SEEDS)
    assert confirmed[0]["low"] < truth < confirmed[0]["high"]


def test_no_group_is_confirmed_without_a_seed_effect(tmp_path: Path) -> None:
    found = numbers(run_with(tmp_path, 0.0), groups=12)
    assert found["seed_share_p"] > 0.02
    assert not any(row["confirmed"] for row in found["groups"])
    # The naive way tests a name on the set that it was chosen on, and finds something.
    assert any(row["set1"] > row["null_high"] for row in found["groups"])


def test_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"needs at least 4|no prompt"):
        numbers(run_with(tmp_path, 1.0, prompts=5))
