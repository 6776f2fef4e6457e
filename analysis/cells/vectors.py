"""One vector per seed: its style, or where it puts the object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.cells.cells import Sample, read_cells
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
    """A vector of every seed, all from the same prompts.

    Attributes:
        seeds: The S seeds, ascending.
        prompts: The P prompts.
        values: Shape (S, d), float64.
        found: Share of the images that had a value of their own.
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
    """The style of every seed, from the stored style vectors of its images.

    Args:
        run: The run; the feature must be extracted.
        feature: "gram", "gram_seedling", or either with "@card".
        sets: Prompt sets to use.
        n: The first so many prompts, in the order of their ids; all if None.
        components: Reduce every image to so many principal components of all images first (2 in
            "Good Seed Makes a Good Crop", which goes on to t-SNE); 0 keeps the stored vector.
        join: "mean" over prompts, d numbers an image; "prompts" puts the images of the P
            prompts one after the other, P d numbers, as the paper does.

    Raises:
        RunError: If cells are missing, or there are fewer images than components need.
    """
    need = f"{feature}.style"
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
    """Where every seed puts the object: x, y, size and depth.

    An image without a found object counts with its prompt's mean over the other seeds
    (`fill_not_found`), so that every seed stands on the same prompts.

    Args:
        run: The run; the feature must be extracted.
        feature: "layout", "layout_seedling", or either with "@card".
        sets: Prompt sets to use.
        n: The first so many prompts, in the order of their ids; all if None.
        join: As `style_vectors`.

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
    """Every image's first principal components, over all images of all seeds.

    Args:
        styles: Shape (S, P, d).
        components: How many, at least 1.

    Returns:
        Shape (S, P, components).

    Raises:
        RunError: If the images do not vary in so many directions.

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


def _joined(sample: Sample, values: Floats, join: Join, found: float) -> SeedVectors:
    wide = values.mean(axis=1) if join == "mean" else values.reshape(len(values), -1)
    return SeedVectors(sample.seeds, sample.prompts, wide, found)
