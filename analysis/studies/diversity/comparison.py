"""Compare the images of seeds that are far apart with those of random seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.cells.vectors import LAYOUT, SeedVectors
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.owners import first_seen_codes
from analysis.study_tools.farthest_seeds import (
    By,
    cosine_matrix,
    farthest_points,
    mean_pairs,
    nanmean,
)

FARTHEST, RANDOM = "farthest points", "random seeds"


def space_columns(by: By, feature: str) -> list[str]:
    """Name the columns that are compared: style or layout columns of a feature."""
    return [f"{feature}.style"] if by == "style" else [f"{feature}.{name}" for name in LAYOUT]


def image_vectors(sample: Sample, needs: Sequence[str]) -> Floats:
    """Return the vectors that are compared, one per image, shape (S, P, d)."""
    parts = [np.asarray(sample.columns[need], dtype=np.float64) for need in needs]
    return parts[0] if len(parts) == 1 else np.stack(parts, axis=2)


def choose_seeds(
    space: SeedVectors, k: int, first_count: int, rng: np.random.Generator
) -> dict[str, Indices]:
    """Choose groups of seeds by both methods, from the same random first seeds.

    Args:
        space: The vectors of the seeds.
        k: Seeds in a group.
        first_count: Maximum number of first seeds.
        rng: Draws the first seeds and the random groups.

    Returns:
        Method -> shape (F, k), indices of seeds.
    """
    first_seeds = rng.permutation(len(space.seeds))[:first_count]
    farthest = [farthest_points(space.values, k, first=int(first)) for first in first_seeds]
    drawn = [_random_group(int(first), k, len(space.seeds), rng) for first in first_seeds]
    return {FARTHEST: np.array(farthest), RANDOM: np.array(drawn)}


def _random_group(first: int, k: int, seeds: int, rng: np.random.Generator) -> Indices:
    """Return the first seed and k - 1 random other seeds."""
    others = np.delete(np.arange(seeds), first)
    return np.concatenate([[first], rng.permutation(others)[: k - 1]]).astype(np.intp)


@dataclass(frozen=True, eq=False)
class Similarities:
    """How similar the images of a prompt are within groups of seeds.

    Attributes:
        by_method: Method -> shape (P,), mean over the groups of the method.
        null: Shape (draws,), difference between the two methods (first minus second), averaged
            over prompts, with images permuted among the seeds within each prompt group.
    """

    by_method: Mapping[str, Floats]
    null: Floats


def compare_groups(
    images: Floats,
    groups: Mapping[str, Indices],
    prompt_groups: NDArray[np.str_],
    rng: np.random.Generator,
    draws: int,
) -> Similarities:
    """Compute the similarities for two methods, and the null of their difference.

    A permutation of the images of a prompt permutes the rows and columns of their similarity
    matrix, so each matrix is computed only once.

    Args:
        images: Shape (S, P, d); NaN where an image has no vector.
        groups: Two methods -> shape (F, k), indices of seeds.
        prompt_groups: Shape (P,), the group of each prompt; its prompts are permuted alike.
        rng: Draws the permutations.
        draws: Number of permutations.
    """
    seeds, prompts = images.shape[:2]
    by_method = {method: np.empty(prompts) for method in groups}
    total, counts = np.zeros(draws), np.zeros(draws)
    codes = first_seen_codes(prompt_groups)
    for code in range(int(codes.max()) + 1):
        owners = rng.permuted(np.broadcast_to(np.arange(seeds), (draws, seeds)), axis=1)
        for p in np.flatnonzero(codes == code):
            matrix = cosine_matrix(images[:, p])
            for method, members in groups.items():
                by_method[method][p] = nanmean(mean_pairs(matrix, members))
            first, second = (nanmean(mean_pairs(matrix, owners[:, g])) for g in groups.values())
            known = np.isfinite(first - second)
            total += np.where(known, first - second, 0.0)
            counts += known
    return Similarities(by_method, total / np.maximum(counts, 1))


def consecutive_groups(images: NDArray[np.floating], k: int) -> tuple[Indices, Floats]:
    """Group every k consecutive seeds, as Particle Guidance draws them.

    Args:
        images: Shape (S, P, d).
        k: Seeds in a group; seeds left over at the end belong to no group.

    Returns:
        Indices of the seeds, shape (S // k, k), and the mean similarity within groups, shape (P,).
    """
    groups = np.arange(len(images) // k * k).reshape(-1, k)
    pairs = (mean_pairs(cosine_matrix(images[:, p]), groups) for p in range(images.shape[1]))
    return groups, np.array([float(nanmean(means)) for means in pairs])
