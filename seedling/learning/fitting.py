"""Fit a network to a table of training images that is made once: settings, rows, the loop."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seedling.files import CHECKPOINTS
from seedling.learning.loop import Budget, Loop
from seedling.randomness import choose, make_generator

Rows = dict[str, Tensor]
"""Training images as named tensors, one row per image: latents, parts of prompts, masks ..."""


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Attributes:
        budget: How long, and the learning rate; making the training images is not counted.
        count: Number of training images (turbo: pairs).
        batch: Images per step.
        seed: Seed of images, prompts and noise.
        folder: Folder of checkpoints and training images.
    """

    budget: Budget
    count: int
    batch: int = 64
    seed: int = 11
    folder: Path = CHECKPOINTS


def settings_parser(
    text: str | None, *, minutes: float, rate: float, count: int
) -> argparse.ArgumentParser:
    """Make the parser of a training command that makes its training images first.

    Args:
        text: Description of the command: its module's docstring.
        minutes: Default minutes of training.
        rate: Default of the highest learning rate.
        count: Default number of training images.

    Returns:
        The parser; `out` has no default.

    Example:
        >>> settings_parser("", minutes=1, rate=1e-3, count=9).parse_args(["--count", "5"]).count
        5
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--steps", type=int, default=None, help="stop after this many steps")
    parser.add_argument("--count", type=int, default=count, help="training images or pairs")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS, help="folder of checkpoints")
    parser.add_argument("--out", type=Path, help="target folder; default: the folder on the card")
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """Settings from the options of a command line."""
    budget = Budget(options.minutes, options.rate, steps=options.steps)
    return Settings(budget, options.count, options.batch, options.seed, options.folder)


def joined(chunks: Iterable[Rows]) -> Rows:
    """Concatenate chunks of rows."""
    parts = list(chunks)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def load_or_make(path: Path, make: Callable[[], Rows]) -> Rows:
    """Read tensors, or make and write them if the file is missing, whole or not at all.

    Args:
        path: The .safetensors file.
        make: Function that makes them.

    Returns:
        The tensors by name.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        save_file(make(), aside)
        aside.replace(path)
    return load_file(path)


def fit(
    name: str,
    network: Any,  # noqa: ANN401 - diffusers is untyped
    rows: Rows,
    loss: Callable[[Rows, torch.Generator], Tensor],
    settings: Settings,
) -> Any:  # noqa: ANN401
    """Train a network with Muon, or resume an interrupted training.

    The seedling itself was trained with Muon too (`seedling.learning.muon`). Matrices that start
    at 0, as those of an adapter do, get a first update as large as any.

    Args:
        name: Name of the model and of its checkpoint.
        network: The network; it is changed.
        rows: Training images.
        loss: Function from a batch of rows and a generator, the source of prompts, noise and
            times, to a scalar.
        settings: Settings of the training.

    Returns:
        The network with its moving average in place.
    """
    generator, modules = make_generator(settings.seed + 1), {"network": network}
    loop = Loop(
        name, modules, settings.budget, generator, settings.folder, tuple(modules), muon=True
    )
    count = len(next(iter(rows.values())))
    while loop.running():
        indices = choose(settings.batch, count, generator=generator)
        loop.step(loss({key: value[indices] for key, value in rows.items()}, generator))
    loop.finish()
    loop.use_averages()
    return network
