"""Runs whose images show their seed by a position: always, within groups, or not at all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.synthetic import Pixels

Name = Callable[[Prompt, int], list[int]]


def of_seed(prompt: Prompt, seed: int) -> list[int]:
    """The position depends only on the seed."""
    return [seed]


def of_group_and_seed(prompt: Prompt, seed: int) -> list[int]:
    """A seed has one position in each group of prompts, and another position in another group."""
    return [int(prompt.text.split()[-1]), seed]


def of_cell(prompt: Prompt, seed: int) -> list[int]:
    """A seed has no effect common to its prompts, as with `seed_scramble`."""
    return [int(prompt.id, 16), seed]


def painter(name: Name) -> synthetic.Draw:
    """Paint a bright square at a position given by `name`, on the prompt's noisy background."""

    def draw(prompt: Prompt, seed: int) -> Pixels:
        pixels = synthetic.noisy(prompt, seed)
        x, y = np.random.default_rng(name(prompt, seed)).integers(0, 7, size=2) * 8
        pixels[y : y + 12, x : x + 12] = 255
        return pixels

    return draw


def painted_run(
    path: Path,
    name: Name = of_seed,
    *,
    seeds: int = 8,
    prompts: int = 72,
    kinds: int = 24,
    groups: bool = True,
) -> Run:
    """Make a run with its images; the kinds of prompts are their groups, if there are groups."""
    run = synthetic.start(
        path, seeds=range(seeds), n_prompts=0, tile=(4, 10), features=[], ranking=None
    )
    run.grow(range(seeds), painted_prompts(prompts, kinds=kinds, groups=groups))
    synthetic.draw_all(run, painter(name))
    return run


def painted_prompts(count: int, *, kinds: int = 24, groups: bool = True) -> list[Prompt]:
    """Make the prompts; without groups, each prompt is its own group."""
    numbers = [divmod(i, kinds) for i in range(count)]
    objects = [f"kind {kind}" if groups else None for _, kind in numbers]
    return [
        Prompt(f"a number {number} thing of kind {kind}", object=name)
        for (number, kind), name in zip(numbers, objects, strict=True)
    ]
