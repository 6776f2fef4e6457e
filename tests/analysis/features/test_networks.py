"""Test the precision under which all features of published networks run."""

from typing import ClassVar

import numpy as np
import pytest
import torch

from analysis.features import FEATURES, load_feature
from analysis.features.base import Batch, Columns, Feature
from analysis.features.cards import cards
from analysis.features.networks import NetworkFeature
from analysis.features.perceptual import Perceptual
from pipeline.storage.schema import Column

BATCH = Batch(np.zeros((1, 2, 2, 3), np.uint8), [{}])


class Looking(NetworkFeature):
    """Says whether cuDNN may round to TF32 while it is measured."""

    name: ClassVar[str] = "clip"
    default_card: ClassVar[str] = "clip-vit-l-14-openai"

    @property
    def columns(self) -> tuple[Column, ...]:
        return ()

    def extract(self, batch: Batch) -> Columns:
        if not len(batch):
            raise ValueError("nothing to measure")
        return {"tf32": np.array([torch.backends.cudnn.allow_tf32])}


class Inheriting(Looking):
    """Has no `extract` of its own."""


@pytest.mark.parametrize("kind", [Looking, Inheriting])
@pytest.mark.parametrize("before", [True, False])
def test_networks_are_measured_without_tf32(
    kind: type[Looking], monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
    feature = kind(f"{kind.default_card}-gpu")
    assert feature.extract(BATCH)["tf32"].tolist() == [False]
    assert torch.backends.cudnn.allow_tf32 == before  # other work of the process is not affected
    with pytest.raises(ValueError, match="nothing to measure"):
        feature.extract(BATCH.cut(0, 0))
    assert torch.backends.cudnn.allow_tf32 == before
    # The negative control: the method without its wrapper sees the setting.
    bare = Looking.extract.__wrapped__  # type: ignore[attr-defined]
    assert bare(feature, BATCH)["tf32"].tolist() == [before]


def test_a_network_on_the_cpu_leaves_the_setting_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be measured while images are drawn on a GPU, which would change with the setting."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert Looking().extract(BATCH)["tf32"].tolist() == [True]


def covered(kind: type[Feature]) -> bool:
    """Whether its `extract` is the wrapped one."""
    return hasattr(kind.extract, "__wrapped__")


def test_every_network_of_a_card_is_covered() -> None:
    kinds = [type(load_feature(name)) for name in FEATURES]
    networks = [kind for kind in kinds if issubclass(kind, NetworkFeature)]
    assert len(networks) >= 11
    assert all(map(covered, networks))
    assert not covered(Perceptual)  # the negative control: never on a GPU


def test_the_precision_counts_in_the_identity_on_a_gpu_only() -> None:
    for name, card in cards().items():
        if card.feature != "layout_depth":
            parameters = load_feature(f"{card.feature}@{name}").parameters
            assert ("tf32" in parameters) == bool(card.options.get("gpu")), name
            assert parameters.get("tf32", False) is False
