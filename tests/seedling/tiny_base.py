"""Make a tiny published seedling of the real classes, with random but fixed weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seedling.learning.fitting import Settings
from seedling.learning.loop import Budget, Loop
from seedling.learning.relatives import Base, load_base
from seedling.networks.model import new_scheduler, new_text_encoder, new_unet, new_vae
from seedling.networks.text_to_image import Networks
from seedling.networks.tokenizer import new_tokenizer
from seedling.publish import publish

WIDTHS = (8, 16)


def write_base(folder: Path) -> Base:
    """Publish a tiny seedling and read it back, so that its weights are rounded to fp16."""
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
    """Train six steps without interruption, and six with an interruption after the third.

    Returns:
        Weights of the first training, of the second, and of the second at the interruption.
    """
    uninterrupted = _trained(train, folder / "uninterrupted", 6)
    step, losses = Loop.step, []

    def fails(loop: Loop, loss: Tensor) -> None:
        if len(losses) == 3:
            raise KeyboardInterrupt
        losses.append(loss)
        step(loop, loss)

    with patch.context() as patched:
        patched.setattr(Loop, "step", fails)
        with pytest.raises(KeyboardInterrupt):
            _trained(train, folder / "parts", 6)
    (path,) = (folder / "parts").glob("*.pt")
    half_way = torch.load(path, weights_only=True)
    assert half_way["steps"] == 3
    return uninterrupted, _trained(train, folder / "parts", 6), half_way["averages"]["network"]


def _trained(train: Callable[[Settings], Any], folder: Path, steps: int) -> dict[str, Tensor]:
    budget = Budget(minutes=60, rate=3e-3, warmup=0.0, steps=steps, save_seconds=0)
    with torch.random.fork_rng():  # a new ControlNet's weights come from torch's stream
        torch.manual_seed(1)
        network = train(Settings(budget, count=32, batch=8, folder=folder))
    state: dict[str, Tensor] = network.state_dict()
    return state


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two state dictionaries are equal."""
    return all(torch.equal(value, second[name]) for name, value in first.items())
