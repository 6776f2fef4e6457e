"""The command-line options that most training commands share."""

import argparse
from pathlib import Path

from seedling.files import CHECKPOINTS


def training_parser(
    description: str | None, *, minutes: float, rate: float, out: Path
) -> argparse.ArgumentParser:
    """Make a parser with `--minutes`, `--rate`, `--steps`, `--folder` and `--out`.

    Args:
        description: The module's docstring.
        minutes: Default length of the training.
        rate: Default learning rate.
        out: Default path of the weights.

    Example:
        >>> parser = training_parser("Train.", minutes=10, rate=1e-3, out=Path("weights"))
        >>> parser.parse_args(["--minutes", "2"]).minutes
        2.0
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--rate", type=float, default=rate, help="learning rate")
    parser.add_argument("--steps", type=int, default=None, help="stop after this many steps")
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS, help="of checkpoints and pool")
    parser.add_argument("--out", type=Path, default=out)
    return parser
