"""Measure how far a change alters the images of the same cells, and their fine detail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import read_cells
from analysis.extraction.images import read_images
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.colours import LUMA
from analysis.statistics.spectra import octave_bands, spectrum
from analysis.study_tools.other_runs import align
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

SETS = (1, 2, 3)
"""All sets are used, because no seed is chosen here."""
ROUNDING = (1 / 255) ** 2 / 12
"""Variance of rounding to 8 bits; pixels cannot show less power than this."""


@dataclass(frozen=True, eq=False)
class Distances:
    """Squared distances of images, by one measure.

    Attributes:
        measure: "pixels", or the name of a feature.
        groups: Shape (P,), the group of each prompt.
        change: Shape (S, P), between the two images of a cell.
        seeds: Shape (S, S, P), between the images of two seeds, both without the change.
    """

    measure: str
    groups: NDArray[np.str_]
    change: Floats
    seeds: Floats

    def summary(self, seeds: Indices, prompts: Indices) -> Floats:
        """Root mean square distance by the change and by another seed, and the ratio, (3,)."""
        by_change = np.sqrt(self.change[np.ix_(seeds, prompts)].mean())
        pairs = len(seeds) * (len(seeds) - 1) * len(prompts)
        by_seed = np.sqrt(self.seeds[np.ix_(seeds, seeds, prompts)].sum() / pairs)
        return np.array([by_change, by_seed, by_change / max(by_seed, 1e-12)])


@dataclass(frozen=True, eq=False)
class Detail:
    """Amplitudes of images by spatial frequency.

    Attributes:
        bands: Names of the K bands, in cycles along a side of the image.
        groups: Shape (P,), the group of each prompt.
        logs: Shape (2, S, P, K), natural logarithm of the root mean square amplitude of luma (0
            is black, 1 is white), without and with the change.
    """

    bands: tuple[str, ...]
    groups: NDArray[np.str_]
    logs: Floats


def feature_distances(runs: tuple[Run, Run], feature: str, seeds: int) -> Distances:
    """Compute the distances of embeddings.

    Args:
        runs: Without and with the change.
        feature: A feature with a column "embedding" that both runs measure.
        seeds: Number of seeds; the first of those that both runs have.

    Raises:
        RunError: If cells are missing.
    """
    need = f"{feature}.embedding"
    samples = align(
        {str(i): read_cells(run, [need], sets=SETS).sample([need]) for i, run in enumerate(runs)}
    )
    before, after = (s.columns[need][:seeds].astype(np.float64) for s in samples.values())
    between = [squared_distances(before[:, p]) for p in range(before.shape[1])]
    change = ((after - before) ** 2).sum(axis=-1)
    return Distances(feature, samples["0"].groups, change, np.stack(between, axis=-1))


def squared_distances(rows: Floats) -> Floats:
    """Squared distances between all rows, (S, d) -> (S, S).

    Example:
        >>> squared_distances(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist()
        [[0.0, 25.0], [25.0, 0.0]]
    """
    shifted = rows - rows.mean(axis=0)
    norms = (shifted**2).sum(axis=1)
    squares = np.maximum(norms[:, None] + norms[None] - 2 * shifted @ shifted.T, 0.0)
    np.fill_diagonal(squares, 0.0)
    return np.asarray(squares)


def measure_images(
    runs: tuple[Run, Run], seeds: Sequence[int], count: int
) -> tuple[Distances, Detail] | None:
    """Measure distances and detail of the images that both runs keep.

    Args:
        runs: Without and with the change.
        seeds: Seeds that both runs have.
        count: Number of prompts, at most; the first in the order of their ids.

    Returns:
        Both for the prompts of which both runs keep the images of all these seeds. Distances are
        mean squares over pixels and channels, which are 0 to 1. None if there is no such prompt,
        or the images of the runs differ in size.
    """
    bands = octave_bands(runs[0].config.height, runs[0].config.width)
    prompts, change, between, logs = [], [], [], []
    for prompt, pixels in _images(runs, seeds, count):
        flat = pixels.reshape(2, len(seeds), -1)
        prompts.append(prompt)
        change.append(((flat[1] - flat[0]) ** 2).mean(axis=1))
        between.append(squared_distances(flat[0]) / flat.shape[2])
        power = bands.mean(np.abs(spectrum(pixels @ LUMA)) ** 2)
        logs.append(0.5 * np.log(np.maximum(power, ROUNDING)))
    if not prompts:
        return None
    groups = np.array([prompt.group for prompt in prompts], dtype=np.str_)
    distances = Distances("pixels", groups, np.stack(change, axis=1), np.stack(between, axis=-1))
    return distances, Detail(bands.names, groups, np.stack(logs, axis=2))


def shared_prompts(runs: Sequence[Run]) -> list[str]:
    """Ids of the prompts whose images all runs keep, ascending."""
    return sorted(frozenset.intersection(*(run.kept_prompts() for run in runs)))


def _images(
    runs: tuple[Run, Run], seeds: Sequence[int], count: int
) -> Iterator[tuple[Prompt, Floats]]:
    """Yield prompts with the images of both runs, (2, S, H, W, 3), 0 to 1, tile by tile."""
    if len({(run.config.height, run.config.width) for run in runs}) > 1:
        return
    left = set(shared_prompts(runs)[:count])
    for tile in runs[0].tiles():
        prompt_ids = sorted(left.intersection(tile.prompt_ids))
        left.difference_update(prompt_ids)
        wanted = [(prompt_id, seed) for prompt_id in prompt_ids for seed in seeds]
        both = [read_images(run, wanted) for run in runs] if prompt_ids else []
        for prompt_id in prompt_ids:
            cells = [(prompt_id, seed) for seed in seeds]
            if all(cell in images for images in both for cell in cells):
                pixels = np.stack([np.stack([images[c] for c in cells]) for images in both])
                yield runs[0].prompts[prompt_id], pixels / 255.0
