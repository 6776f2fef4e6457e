"""Compute one vector per seed: its style, or where it puts the object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.cells.cells import Sample, read_cells
from analysis.cells.seed_parts import sample_in_parts
from analysis.metrics.layout import fill_not_found
from analysis.statistics.arrays import Floats
from analysis.statistics.dual_pca import dual_pca
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

Join = Literal["mean", "prompts"]
LAYOUT = ("x", "y", "size", "depth")


@dataclass(frozen=True, eq=False)
class SeedVectors:
    """One vector per seed, all from the same prompts.

    Attributes:
        seeds: The S seeds, ascending.
        prompts: The P prompts.
        values: Shape (S, d), float64.
        found: Share of the images in which the object was found; 1 for styles.
    """

    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    values: Floats
    found: float = 1.0


def style_vectors(
    run: Run,
    *,
    feature: str = "gram",
    sets: Sequence[int] = (1,),
    n: int | None = None,
    components: int = 0,
    join: Join = "mean",
) -> SeedVectors:
    """Compute the style of each seed, from the stored style vectors of its images.

    Args:
        run: The run; the feature must be extracted.
        feature: "gram", "gram_seedling", or either with "@card".
        sets: Prompt sets to use.
        n: Number of prompts to use, in the order of their ids; all if None.
        components: Principal components of all images to which each image is first reduced (2 in
            "Good Seed Makes a Good Crop", which continues with t-SNE); 0 keeps the stored vector.
        join: "mean" averages over prompts and gives d numbers; "prompts" concatenates the images
            of the P prompts, P d numbers, as the paper does.

    Raises:
        RunError: If cells are missing, or there are too few images for the components.
    """
    need = f"{feature}.style"
    if join == "mean" and not components:
        return _means_in_parts(run, need, sets, n)
    sample = read_cells(run, [need], sets=sets).sample([need], n=n)
    styles = np.asarray(sample.columns[need], dtype=np.float64)
    if components:
        styles = reduced(styles, components)
    return _joined(sample, styles, join, 1.0)


def layout_vectors(
    run: Run,
    *,
    feature: str = "layout",
    sets: Sequence[int] = (1,),
    n: int | None = None,
    join: Join = "mean",
) -> SeedVectors:
    """Compute where each seed puts the object: x, y, size and depth.

    An image without a found object counts with the mean of the other seeds' images of its prompt
    (`fill_not_found`), so that all seeds have the same prompts.

    Args:
        run: The run; the feature must be extracted.
        feature: "layout", "layout_seedling", or either with "@card".
        sets: Prompt sets to use.
        n: Number of prompts to use, in the order of their ids; all if None.
        join: See `style_vectors`.

    Raises:
        RunError: If cells are missing, or no image shows its object.
    """
    needs = [f"{feature}.{name}" for name in LAYOUT]
    sample = read_cells(run, needs, sets=sets).sample(needs, n=n)
    values = np.stack([sample.columns[need] for need in needs], axis=2)
    try:
        filled = fill_not_found(values)
    except ValueError as error:
        raise RunError(f"no layout vectors of this run: {error}") from error
    return _joined(sample, filled, join, float(np.isfinite(values).mean()))


def reduced(styles: Floats, components: int) -> Floats:
    """Reduce each image to the first principal components of all images of all seeds.

    Args:
        styles: Shape (S, P, d).
        components: Number of components, at least 1.

    Returns:
        Shape (S, P, components).

    Raises:
        RunError: If the images vary in fewer directions.

    Example:
        >>> reduced(np.array([[[0.0, 1.0]], [[3.0, 1.0]], [[3.0, 1.0]]]), 1).ravel().round(6)
        array([ 2., -1., -1.])
    """
    flat = styles.reshape(-1, styles.shape[2])
    try:
        pca = dual_pca(lambda a, b: flat[a:b], len(flat), components=components, block=1024)
    except ValueError as error:
        raise RunError(f"style vectors cannot be reduced: {error}") from error
    return pca.scores.reshape(*styles.shape[:2], components)


def _means_in_parts(run: Run, need: str, sets: Sequence[int], n: int | None) -> SeedVectors:
    """Average the vectors of each seed, read a part of the seeds at a time."""
    seeds: list[int] = []
    means: list[Floats] = []
    for sample in sample_in_parts(run, [need], sets=sets, n=n):
        seeds += sample.seeds
        means.append(np.asarray(sample.columns[need], dtype=np.float64).mean(axis=1))
        prompts = sample.prompts
    return SeedVectors(tuple(seeds), prompts, np.concatenate(means))


def _joined(sample: Sample, values: Floats, join: Join, found: float) -> SeedVectors:
    vectors = values.mean(axis=1) if join == "mean" else values.reshape(len(values), -1)
    return SeedVectors(sample.seeds, sample.prompts, vectors, found)
