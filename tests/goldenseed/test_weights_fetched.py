"""The driver fetches the weights of features once, before its workers start."""

from pathlib import Path

import pytest
import yaml

from analysis.features import load_feature
from analysis.features.cards import FeatureCard
from pipeline.errors import ModelError
from tests.goldenseed.conftest import Call
from tests.goldenseed.tiny_recipes import SMALL


@pytest.mark.parametrize(("name", "count"), [("hps", 1), ("layout", 2), ("appearance", 0)])
def test_each_network_of_a_feature_is_fetched(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[FeatureCard] = []
    monkeypatch.setattr("analysis.features.base.find_weights", asked.append)
    load_feature(name).fetch()
    assert len(asked) == count


@pytest.mark.parametrize("measure", ["while_drawing", "afterwards"])
def test_weights_that_cannot_be_had_end_the_run_before_a_worker_starts(
    measure: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An identity that the card pins needs no file, so only a worker would miss it."""

    def refuse(_feature: object) -> None:
        raise ModelError("the hub does not answer")

    monkeypatch.setattr("analysis.features.base.Feature.fetch", refuse)
    recipe = {"card": "seedling-mini", "prompts": {"source": "seedling", "count": 2}, **SMALL}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "measure": measure}))
    called = call("run", tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--executor", "local")
    assert called.code == 2
    assert "the hub does not answer" in called.err
    assert list((tmp_path / "run" / "images").rglob("*.parquet")) == []
