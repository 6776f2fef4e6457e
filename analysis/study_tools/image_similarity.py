"""Measure how similar images of two runs are, by their pixels or by the embedding of a network."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.cells.cells import read_cells
from analysis.extraction.images import read_images
from analysis.statistics.arrays import Floats
from analysis.study_tools.measured import shared_features
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images

Vectors = Mapping[int, Floats]
"""Seed -> shape (P, d), one vector per prompt."""

SETS = (1, 2)
"""The prompt sets that are compared; set 3 is reserved for reporting gains."""
PIXELS = "pixels"
EMBEDDINGS = ("dinov2", "clip", "perceptual", "inception", "clip_seedling")
"""Features whose embeddings can be compared, the best first."""


def shared_embedding(runs: Sequence[Run]) -> list[str]:
    """Choose the best feature with embeddings that all runs measure.

    Returns:
        A list with its name, or an empty list if there is none.
    """
    shared = shared_features(runs)
    return [name for kind in EMBEDDINGS for name in shared if name.split("@")[0] == kind][:1]


def image_vectors(run: Run, prompts: Sequence[Prompt], measure: str) -> Vectors:
    """Read each seed's images as vectors.

    Args:
        run: The run.
        prompts: Prompts of sets 1 and 2.
        measure: `PIXELS` (each image minus its mean), or a feature with a column "embedding".

    Raises:
        RunError: If an image or a value is missing.
    """
    if measure != PIXELS:
        return _embeddings(run, prompts, measure)
    cells = [(prompt.id, seed) for prompt in prompts for seed in run.seeds]
    images = read_images(run, cells)
    if len(images) < len(cells):
        raise RunError(
            f"{run.root} lacks {len(cells) - len(images):,} of {len(cells):,} images; this study "
            f"needs all of them: draw them with `keep_images: all` in the recipe"
        )
    return {
        seed: np.stack([_minus_mean(images[(prompt.id, seed)]) for prompt in prompts])
        for seed in run.seeds
    }


def _embeddings(run: Run, prompts: Sequence[Prompt], feature: str) -> Vectors:
    need = f"{feature}.embedding"
    sample = read_cells(run, [need], sets=SETS).sample([need])
    index = {prompt.id: i for i, prompt in enumerate(sample.prompts)}
    missing = [prompt.text for prompt in prompts if prompt.id not in index]
    if missing:
        raise RunError(
            f"{run.root} has no {feature} of {missing[0]!r}; this study needs it: repeat "
            f"`goldenseed run`"
        )
    values = np.asarray(sample.columns[need], np.float64)
    chosen = values[:, [index[prompt.id] for prompt in prompts]]
    return dict(zip(sample.seeds, chosen, strict=True))


def _minus_mean(image: Uint8Images) -> Floats:
    return np.asarray(image.astype(np.float64).ravel() - image.mean())


def cosines(first: Floats, second: Floats) -> Floats:
    """Cosine similarity of each row of one array with the same row of another.

    For images minus their means, it is the correlation of pixels.

    Args:
        first: Shape (P, d).
        second: Shape (P, d).

    Returns:
        Shape (P,); 0 where a row has length 0.

    Example:
        >>> cosines(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[2.0, 0.0], [1.0, 1.0]]))
        array([1., 0.])
    """
    size = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    product = (first * second).sum(axis=1)
    return np.asarray(np.divide(product, size, out=np.zeros_like(product), where=size > 0))
