"""Plot the losses of trainings from their checkpoints.

Usage: `python -m seedling.measure.losses NAME ...`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from seedling.files import CHECKPOINTS, FIGURES, say
from seedling.learning.loop import read_checkpoint

TRAININGS = ("vae", "seedling-mini", "perceptual", "recogniser")


def read_losses(path: Path) -> tuple[list[float], list[float], int]:
    """Read the minutes and mean losses of a training's reports, and its number of steps."""
    state = read_checkpoint(path)
    minutes = [seconds / 60 for seconds, _ in state["losses"]]
    return minutes, [loss for _, loss in state["losses"]], int(state["steps"])


def draw_losses(folder: Path, names: Sequence[str], out: Path) -> None:
    """Draw one panel per training: the reported loss against minutes."""
    figure = Figure(figsize=(2.75 * len(names), 2.6), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        minutes, losses, steps = read_losses(folder / f"{name}.pt")
        axes.plot(minutes, losses)
        axes.set(title=f"{name}: {steps:,} steps", xlabel="minutes", yscale="log")
    figure.savefig(out, dpi=80)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=TRAININGS, help="names of checkpoints")
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    parser.add_argument("--out", type=Path, default=FIGURES / "losses.png")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw_losses(options.folder, options.names, options.out)
    say(f"wrote {options.out}")


if __name__ == "__main__":
    main()
