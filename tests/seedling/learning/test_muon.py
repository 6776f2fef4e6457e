"""Test Muon with AdamW: orthogonal updates for matrices, AdamW for the rest, and resuming."""

from pathlib import Path

import torch
from torch import nn

from seedling.learning.loop import Budget, Loop
from seedling.learning.muon import MuonWithAdamW
from seedling.randomness import make_generator

RATE = 0.01


def gradient_of(shape: torch.Size) -> torch.Tensor:
    """A gradient whose singular values fall from 1 to 0.05."""
    noise = torch.randn((shape[0], shape[1:].numel()), generator=make_generator(3))
    left, _, right = torch.linalg.svd(noise, full_matrices=False)
    return (left * torch.logspace(0, -1.3, shape[0]) @ right).view(shape)


def singular_values(optimiser: object, layer: nn.Conv2d) -> torch.Tensor:
    """Singular values of one update of a layer, in units of the intended update size."""
    before = layer.weight.detach().clone()
    layer.weight.grad = gradient_of(layer.weight.shape)
    for group in optimiser.param_groups:  # type: ignore[attr-defined]
        group["lr"] = RATE
    optimiser.step()  # type: ignore[attr-defined]
    update = (layer.weight.detach() - before).flatten(1)
    return torch.linalg.svdvals(update) / (RATE * 0.2 * max(update.shape) ** 0.5)


def test_the_update_of_a_convolution_is_orthogonal_and_that_of_adamw_is_not() -> None:
    layer = nn.Conv2d(4, 12, 3)
    muon = singular_values(MuonWithAdamW({"net": layer}, betas=(0.9, 0.95)), layer)
    # Newton-Schulz stops early: singular values near 1 (Jordan et al. 2024).
    assert 0.3 < float(muon.min()) <= float(muon.max()) < 1.3
    adamw = singular_values(torch.optim.AdamW(layer.parameters()), layer)
    assert float(adamw.max()) > 1.3


def test_outer_layers_embeddings_and_biases_stay_with_adamw() -> None:
    net = nn.ModuleDict({"conv_in": nn.Conv2d(2, 4, 3), "middle": nn.Linear(4, 4)})
    optimiser = MuonWithAdamW({"net": net}, betas=(0.9, 0.95))
    assert [id(weight) for weight, _ in optimiser.matrices] == [id(net["middle"].weight)]
    assert sum(len(group["params"]) for group in optimiser.adamw.param_groups) == 3


def train(folder: Path, *, until: int) -> nn.Linear:
    """Run or resume a training of six steps until a given step, and save."""
    net = nn.Linear(3, 3)
    nn.init.eye_(net.weight)
    nn.init.zeros_(net.bias)
    budget = Budget(minutes=60.0, rate=RATE, steps=6)
    loop = Loop("tiny", {"net": net}, budget, make_generator(1), folder=folder, muon=True)
    while loop.running() and loop.steps_done < until:
        inputs = torch.randn((5, 3), generator=loop.generator)
        loop.step((net(inputs) - inputs.flip(1)).square().sum())
    loop.save()
    return net


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    uninterrupted = train(tmp_path / "uninterrupted", until=6)
    train(tmp_path / "cut", until=3)
    resumed = train(tmp_path / "cut", until=6)
    assert torch.equal(uninterrupted.weight, resumed.weight)
    fewer = train(tmp_path / "fewer", until=3)
    assert not torch.equal(uninterrupted.weight, fewer.weight)
