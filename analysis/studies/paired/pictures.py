"""The same cells drawn in two ways: how far their pictures lie apart, and their fine detail."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.cells.cells import read_cells
from analysis.extraction.images import read_images
from analysis.pictures.contact_sheet import GAP, HEAD, PAPER, THUMB, Row, draw_sheet
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.colours import LUMA
from analysis.statistics.spectra import octave_bands, spectrum
from analysis.study_tools.other_runs import aligned
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

SETS = (1, 2, 3)
"""All: nothing is chosen here."""
ROUNDING = (1 / 255) ** 2 / 12
"""Variance of rounding to 8 bits: of less power than this, pixels say nothing."""


@dataclass(frozen=True, eq=False)
class Apart:
    """Squared distances of pictures, by one measure.

    Attributes:
        measure: "pixels" or a feature's name.
        groups: Shape (P,), the group of each prompt.
        change: Shape (S, P): of the two pictures of a cell.
        seeds: Shape (S, S, P): of the pictures of two seeds, both without the change.
    """

    measure: str
    groups: NDArray[np.str_]
    change: Floats
    seeds: Floats

    def distances(self, seeds: Indices, prompts: Indices) -> Floats:
        """Root mean square distance by the change, by another seed, and their ratio, (3,)."""
        changed = np.sqrt(self.change[np.ix_(seeds, prompts)].mean())
        pairs = len(seeds) * (len(seeds) - 1) * len(prompts)
        others = np.sqrt(self.seeds[np.ix_(seeds, seeds, prompts)].sum() / pairs)
        return np.array([changed, others, changed / max(others, 1e-12)])


@dataclass(frozen=True, eq=False)
class Detail:
    """Amplitudes of pictures by frequency.

    Attributes:
        bands: K bands, in cycles along a side of the picture.
        groups: Shape (P,).
        logs: Shape (2, S, P, K): natural logarithm of the root mean square amplitude of luma,
            0 black to 1 white, without and with the change.
    """

    bands: tuple[str, ...]
    groups: NDArray[np.str_]
    logs: Floats


def apart_by_feature(runs: tuple[Run, Run], feature: str, seeds: int) -> Apart:
    """Distances of embeddings, of the first so many seeds that both have.

    Args:
        runs: Without and with the change.
        feature: One with a column "embedding" that both measure.
        seeds: How many.

    Raises:
        RunError: If cells are missing.
    """
    need = f"{feature}.embedding"
    read = {str(i): read_cells(run, [need], sets=SETS).sample([need]) for i, run in enumerate(runs)}
    samples = aligned(read)
    one, two = (each.columns[need][:seeds].astype(np.float64) for each in samples.values())
    between = [squared_distances(one[:, place]) for place in range(one.shape[1])]
    change = ((two - one) ** 2).sum(axis=-1)
    return Apart(feature, samples["0"].groups, change, np.stack(between, axis=-1))


def squared_distances(rows: Floats) -> Floats:
    """Between all rows, (S, d) -> (S, S).

    Example:
        >>> squared_distances(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist()
        [[0.0, 25.0], [25.0, 0.0]]
    """
    shifted = rows - rows.mean(axis=0)
    own = (shifted**2).sum(axis=1)
    found = np.maximum(own[:, None] + own[None] - 2 * shifted @ shifted.T, 0.0)
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def measure_pictures(
    runs: tuple[Run, Run], seeds: Sequence[int], count: int
) -> tuple[Apart, Detail] | None:
    """Distances and detail of the pictures that both runs keep.

    Args:
        runs: Without and with the change.
        seeds: Seeds of both.
        count: At most so many prompts, the first in the order of their ids.

    Returns:
        Of the prompts that both have the pictures of for all these seeds; distances are root
        mean squares over pixels and channels, 0..1. None if there is no such prompt, or the
        pictures are of two sizes.
    """
    bands = octave_bands(runs[0].config.height, runs[0].config.width)
    prompts, change, between, logs = [], [], [], []
    for prompt, pixels in _pictures(runs, seeds, count):
        flat = pixels.reshape(2, len(seeds), -1)
        prompts.append(prompt)
        change.append(((flat[1] - flat[0]) ** 2).mean(axis=1))
        between.append(squared_distances(flat[0]) / flat.shape[2])
        power = bands.mean(np.abs(spectrum(pixels @ LUMA)) ** 2)
        logs.append(0.5 * np.log(np.maximum(power, ROUNDING)))
    if not prompts:
        return None
    groups = np.array([prompt.group for prompt in prompts], dtype=np.str_)
    apart = Apart("pixels", groups, np.stack(change, axis=1), np.stack(between, axis=-1))
    return apart, Detail(bands.names, groups, np.stack(logs, axis=2))


def shared_prompts(runs: Sequence[Run]) -> list[str]:
    """Ids of the prompts whose pictures all runs keep, ascending."""
    return sorted(frozenset.intersection(*(run.kept_prompts() for run in runs)))


def _pictures(
    runs: tuple[Run, Run], seeds: Sequence[int], count: int
) -> Iterator[tuple[Prompt, Floats]]:
    """Prompts with both runs' pictures, (2, S, H, W, 3), 0..1; a tile's are read together."""
    if len({(run.config.height, run.config.width) for run in runs}) > 1:
        return
    left = set(shared_prompts(runs)[:count])
    for tile in runs[0].tiles():
        part = sorted(left.intersection(tile.prompt_ids))
        left.difference_update(part)
        wanted = [(own, seed) for own in part for seed in seeds]
        found = [read_images(run, wanted) for run in runs] if part else []
        for own in part:
            cells = [(own, seed) for seed in seeds]
            if all(cell in images for images in found for cell in cells):
                pixels = np.stack([np.stack([images[c] for c in cells]) for images in found])
                yield runs[0].prompts[own], pixels / 255.0


def paired_sheet(
    runs: Mapping[str, Run], seeds: Sequence[int], prompts: Sequence[Prompt]
) -> Image.Image:
    """The same cells of several runs: every seed's row of one run above that of the next.

    Raises:
        RunError: If a run keeps none of the pictures.
    """
    sheets = [
        draw_sheet(run, [Row(f"seed {seed}\n{name}", seed) for seed in seeds], prompts)
        for name, run in runs.items()
    ]
    width, step = sheets[0].width, THUMB + GAP
    whole = Image.new("RGB", (width, HEAD + len(seeds) * len(sheets) * step), PAPER)
    whole.paste(sheets[0].crop((0, 0, width, HEAD)), (0, 0))
    for row in range(len(seeds)):
        for place, sheet in enumerate(sheets):
            top = HEAD + row * step
            strip = sheet.crop((0, top, width, top + step))
            whole.paste(strip, (0, HEAD + (row * len(sheets) + place) * step))
    return whole
