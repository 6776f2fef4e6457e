"""Fine-tune a UNet with offset noise: the code that two training commands share."""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from seedling.files import CHECKPOINTS, say
from seedling.learning.command_line import training_parser
from seedling.learning.loop import Budget, Loop
from seedling.learning.noise_loss import noise_loss
from seedling.learning.relatives import BASE, Base, load_base
from seedling.networks.text_to_image import Networks
from seedling.randomness import make_generator

BATCH = 64


PUBLISHED = 0.1
"""Strength that the author of the method uses for Stable Diffusion's 64 x 64 latents."""


Draw = Callable[[torch.Generator], tuple[Tensor, Tensor, list[str]]]
"""Draws a batch: scaled latents, the share of each that the object covers, and prompts."""


def equal_strength(height: int, width: int, *, strength: float = PUBLISHED) -> float:
    """Compute the equivalent strength for latents of another size.

    The mean of h x w independent numbers has the standard deviation 1 / sqrt(h w). The effect
    depends on how far the offset exceeds it, so the strength grows as the latents shrink.

    Args:
        height: Height of the latents.
        width: Width of the latents.
        strength: Strength at 64 x 64.

    Example:
        >>> equal_strength(64, 64), equal_strength(8, 8)
        (0.1, 0.8)
    """
    return strength * 64 / math.sqrt(height * width)


def train(
    networks: Networks,
    draw: Draw,
    *,
    strength: float,
    budget: Budget,
    name: str,
    seed: int = 11,
    folder: Path = CHECKPOINTS,
) -> dict[str, Tensor]:
    """Fine-tune the UNet, or resume an interrupted training.

    Args:
        networks: A trained model; its UNet is changed.
        draw: Function that draws the batches.
        strength: Strength of the offset noise; 0 is the control, the same training without it.
        budget: How long, and the learning rate.
        name: Name of the checkpoint.
        seed: Seed of prompts and noise.
        folder: Folder of the checkpoint.

    Returns:
        Name of each weight of the UNet -> its change, float16.
    """
    before = {name: value.detach().clone() for name, value in networks.unet.state_dict().items()}
    networks.unet.requires_grad_(requires_grad=True)
    networks.text_encoder.requires_grad_(requires_grad=False)
    generator, modules = make_generator(seed), {"unet": networks.unet}
    loop = Loop(name, modules, budget, generator, folder, averaged=("unet",), muon=True)
    while loop.running():
        rows = draw(generator)
        loop.step(noise_loss(networks, *rows, generator=generator, offset=strength))
    loop.finish()
    loop.use_averages()
    after = networks.unet.state_dict()
    return {name: (after[name] - value).half() for name, value in before.items()}


def offset_parser(
    text: str | None, *, minutes: float, out: Path, strengths: Sequence[float]
) -> argparse.ArgumentParser:
    """Make the parser of a training at one or more strengths.

    Args:
        text: The module's docstring.
        minutes: Default length of each training.
        out: Default file, see `out_files`.
        strengths: Default strengths of the offset noise.

    Example:
        >>> parser = offset_parser("", minutes=1, out=Path("a.safetensors"), strengths=[0.8])
        >>> parser.parse_args(["--strengths", "0", "1.6"]).strengths
        [0.0, 1.6]
    """
    parser = training_parser(text, minutes=minutes, rate=2e-3, out=out)
    parser.add_argument("--strengths", type=float, nargs="+", default=strengths, help="one or more")
    parser.add_argument("--model", type=Path, default=BASE)
    return parser


def out_files(out: Path, strengths: Sequence[float]) -> Iterator[tuple[float, Path]]:
    """Yield each strength with its file: `out`, with the strength in its name if there are several.

    Example:
        >>> [path.name for _, path in out_files(Path("offset.safetensors"), [0.0, 0.8])]
        ['offset-0.safetensors', 'offset-0.8.safetensors']
    """
    several = len(strengths) > 1
    for strength in strengths:
        name = f"{out.stem}-{strength:g}{out.suffix}" if several else out.name
        yield strength, out.with_name(name)


def train_each(options: argparse.Namespace, batches: Callable[[Base], Draw]) -> None:
    """Train at each strength that a command line names, and write the changes of the weights.

    Args:
        options: Options that `offset_parser` parsed.
        batches: Function from the model to the function that draws its batches.
    """
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for strength, path in out_files(options.out, options.strengths):
        base = load_base(options.model)  # read again: training changes its UNet
        changes = train(
            base.networks,
            batches(base),
            strength=strength,
            budget=Budget(options.minutes, options.rate, steps=options.steps),
            name=base.name_with_hash(path.stem),
            folder=options.folder,
        )
        kind = base.networks.scheduler.config.prediction_type
        save_file(changes, path, metadata={"format": "pt", "prediction_type": kind})
        say(f"wrote {path}, trained with offset noise {strength:g}")
