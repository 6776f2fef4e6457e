"""A recipe that measures a user's own feature and metric, and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import goldenseed
from analysis.features.base import Batch, Columns, Feature
from analysis.metrics.base import MeanMetric
from pipeline.runs.run import Run
from pipeline.storage.schema import Column
from tests.goldenseed.conftest import RECIPE, Call

FEATURE = f"{__name__}:Redness"
METRIC = f"{__name__}:MeanRedness"


class Redness(Feature):
    """Share of an image's light that is red."""

    name: ClassVar[str] = "redness"
    code_version: ClassVar[int] = 1

    @property
    def columns(self) -> tuple[Column, ...]:
        return (Column("red", pa.float32(), "fraction", "share of the light that is red"),)

    @property
    def parameters(self) -> Mapping[str, object]:
        return {}

    def setup(self) -> None:
        pass

    def extract(self, batch: Batch) -> Columns:
        light: NDArray[Any] = batch.images.astype(np.float32).sum(axis=(1, 2)) + 1
        return {"red": light[:, 0] / light.sum(axis=1)}


class MeanRedness(MeanMetric):
    """Mean of a seed's images."""

    name: ClassVar[str] = METRIC
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = (f"{FEATURE}.red",)


def recipe_of(folder: Path, **changes: str) -> Path:
    """The small recipe without a ranking, measuring this file's feature and metric."""
    lines = {line.partition(":")[0]: line for line in RECIPE.strip().splitlines()}
    del lines["ranking"]
    own = {"features": f"['{FEATURE}']", "metrics": f"['{METRIC}']", **changes}
    lines |= {name: f"{name}: {text}" for name, text in own.items()}
    (folder / "own.yaml").write_text("\n".join(lines.values()))
    return folder / "own.yaml"


def test_without_a_ranking_a_run_measures_what_its_recipe_names_and_ends(
    call: Call, tmp_path: Path
) -> None:
    recipe, out = recipe_of(tmp_path), tmp_path / "run"
    ended = call("run", recipe, "--out", out, "--executor", "local")
    assert ended.code == 0, ended.err
    assert "recipe own ranks nothing; to rank its seeds, add `ranking: {metric:" in ended.err
    assert [path.name.partition("-")[0] for path in (out / "features").iterdir()] == ["redness"]
    assert set(goldenseed.open_run(out).per_seed["metric"]) == {METRIC}
    assert not Run.open(out).store.exists("ranking.json")
    refused = call("rank", out)
    assert refused.code == 2
    assert "ranks nothing" in refused.err


def test_a_plan_says_that_nothing_is_ranked(call: Call, tmp_path: Path, recipe: Path) -> None:
    planned = call("plan", recipe_of(tmp_path), "--out", tmp_path / "run")
    assert planned.code == 0
    assert "recipe own ranks nothing" in planned.err
    ranked = call("plan", recipe, "--out", tmp_path / "run")
    assert ranked.code == 0
    assert "ranks nothing" not in ranked.err


def test_the_metric_of_a_ranking_needs_its_feature(call: Call, tmp_path: Path) -> None:
    """The negative control: what used to be the default is refused without its feature."""
    recipe = recipe_of(tmp_path, ranking="{metric: kid_perceptual}")
    refused = call("run", recipe, "--out", tmp_path / "run", "--executor", "local")
    assert refused.code == 2
    assert "metric kid_perceptual needs the feature perceptual" in refused.err


def test_a_users_own_metric_ranks(call: Call, tmp_path: Path) -> None:
    recipe, out = recipe_of(tmp_path, ranking=f"{{metric: '{METRIC}'}}"), tmp_path / "run"
    ended = call("run", recipe, "--out", out, "--executor", "local")
    assert ended.code == 0, ended.err
    assert Run.open(out).store.exists("ranking.json")
