"""Draw docs/seeds.png: seeds that put the object in the same place, whatever the prompt.

    python docs/seeds/draw.py RUN FILE.png

Of all seeds of the run, one is shown that draws the object farthest left, one farthest right, one
highest, one lowest, and one largest, each on average over the prompts that are shown. Position and
size are those of the pixels that differ from the usual colour of their row (the sky and the
ground), compared with the other seeds' on the same prompt.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.extraction.images import read_images
from analysis.pictures.contact_sheet import Row, draw_sheet
from pipeline.prompts.prompt_sets import Prompt, read_prompts
from pipeline.runs.run import Run

Floats = NDArray[np.float64]

DIFFERENT = 0.3
"""Sum of the differences of the three channels, in 0..1, from which on a pixel counts."""


def rows_to_show(run: Run, prompts: list[Prompt]) -> list[Row]:
    """The five seeds with their labels."""
    images = read_images(run, [(prompt.id, seed) for prompt in prompts for seed in run.seeds])
    grid = [[images[prompt.id, seed] for prompt in prompts] for seed in run.seeds]
    across, down, size = (_shift(each) for each in _object(np.array(grid) / 255.0))
    ends = {"left": -across, "right": across, "high": -down, "low": down, "large": size}
    chosen: dict[int, str] = {}
    for name, values in ends.items():
        best = next(seed for seed in np.argsort(-values).tolist() if seed not in chosen)
        chosen[best] = name
    seeds = {run.seeds[index]: name for index, name in chosen.items()}
    return [Row(f"seed {seed}\n\n{name}", seed) for seed, name in seeds.items()]


def _object(images: Floats) -> tuple[Floats, Floats, Floats]:
    """Where the object is (across and down) and its size, each of shape (seeds, prompts).

    Args:
        images: (seeds, prompts, height, width, 3) in 0..1.
    """
    usual = np.median(images, axis=3, keepdims=True)
    apart = np.abs(images - usual).sum(axis=-1)
    apart[apart <= DIFFERENT] = 0
    total = apart.sum(axis=(2, 3)) + 1e-9
    across = (apart.sum(axis=2) * np.linspace(0, 1, images.shape[3])).sum(axis=-1) / total
    down = (apart.sum(axis=3) * np.linspace(0, 1, images.shape[2])).sum(axis=-1) / total
    return across, down, (apart > 0).mean(axis=(2, 3))


def _shift(values: Floats) -> Floats:
    """How far each seed is from the other seeds, in standard deviations, mean over prompts."""
    apart = (values - values.mean(axis=0)) / values.std(axis=0)
    return np.asarray(apart.mean(axis=1))


def main(folder: str, target: str) -> None:
    """Choose the seeds and draw them."""
    run = Run.open(folder)
    prompts = list(read_prompts(Path(__file__).with_name("prompts.txt")).prompts)
    draw_sheet(run, rows_to_show(run, prompts), prompts).save(target, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
