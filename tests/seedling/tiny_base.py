"""A tiny published seedling of the real classes, its weights random and always the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seedling.learning.loop import Budget, Loop
from seedling.learning.relatives import Base, Settings, load_base
from seedling.networks.model import new_scheduler, new_text_encoder, new_unet, new_vae
from seedling.networks.text_to_image import Networks
from seedling.networks.tokenizer import new_tokenizer
from seedling.publish import publish

WIDTHS = (8, 16)


def write_base(folder: Path) -> Base:
    """Publish it and read it back, so that its weights are those that fp16 keeps."""
    tokenizer = new_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text_encoder = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
        unet, vae = new_unet(WIDTHS), new_vae((8, 8, 8, 8))
    networks = Networks(unet, text_encoder, tokenizer, new_scheduler())
    publish(vae, networks, scale=1.5, folder=folder)
    return load_base(folder)


def settings(folder: Path, *, steps: int, count: int = 32, rate: float = 3e-3) -> Settings:
    budget = Budget(minutes=60, rate=rate, warmup=0.0, steps=steps)
    return Settings(budget, count, batch=8, folder=folder)


def interrupted_and_not(
    train: Callable[[Settings], Any], folder: Path, patch: pytest.MonkeyPatch
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Train six steps at once, and six with an interruption before the fourth.

    Returns:
        Weights of the first, of the second, and of the second at the interruption.
    """
    whole = _trained(train, folder / "whole", 6)
    steps, taken = Loop.step, []

    def fails(loop: Loop, loss: Tensor) -> None:
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(loss)
        steps(loop, loss)

    with patch.context() as patched:
        patched.setattr(Loop, "step", fails)
        with pytest.raises(KeyboardInterrupt):
            _trained(train, folder / "parts", 6)
    (path,) = (folder / "parts").glob("*.pt")
    half_way = torch.load(path, weights_only=True)
    assert half_way["steps"] == 3
    return whole, _trained(train, folder / "parts", 6), half_way["averages"]["network"]


def _trained(train: Callable[[Settings], Any], folder: Path, steps: int) -> dict[str, Tensor]:
    budget = Budget(minutes=60, rate=3e-3, warmup=0.0, steps=steps, save_seconds=0)
    with torch.random.fork_rng():  # a new ControlNet's first weights are from torch's own stream
        torch.manual_seed(1)
        network = train(Settings(budget, count=32, batch=8, folder=folder))
    found: dict[str, Tensor] = network.state_dict()
    return found


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())
