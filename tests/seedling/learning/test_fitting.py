"""Test the code that trainings on prepared rows share."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seedling.learning import fitting
from seedling.learning.loop import Loop
from seedling.randomness import make_generator
from tests.seedling import tiny_base


def first_update(folder: Path) -> Tensor:
    """Singular values of the change in one step of a training, scaled to at most 1."""
    net = nn.Linear(8, 8)
    before = net.weight.detach().clone()
    left, right = (torch.randn(8, generator=make_generator(seed)) for seed in (1, 2))
    rest = torch.randn((8, 8), generator=make_generator(3))
    gradient = torch.outer(left, right) + 0.2 * rest
    settings = tiny_base.settings(folder, steps=1)
    rows = {"any": torch.zeros(4)}
    fitting.fit("tiny", net, rows, lambda *_: (net.weight * gradient).sum(), settings)
    values: Tensor = torch.linalg.svdvals(net.weight.detach() - before)
    return values / values.max()


def test_a_network_is_trained_with_muon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert float(first_update(tmp_path / "muon").min()) > 0.3

    def without(*arguments: object, **options: object) -> Loop:
        return Loop(*arguments, **options | {"muon": False})  # type: ignore[arg-type]

    monkeypatch.setattr(fitting, "Loop", without)
    assert float(first_update(tmp_path / "adamw").min()) < 0.2
