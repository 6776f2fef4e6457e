"""Compare the images of a swap with those of both seeds, and say which seed they follow."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.studies.seed_swap.swaps import Family, Swap
from analysis.study_tools.image_similarity import PIXELS, Vectors, cosines, image_vectors
from pipeline.prompts.prompt_sets import Prompt

Similar = Floats
"""Shape (3, I, P): similarities to i, to j and to another seed, for I seeds i and P prompts."""


def similarities(
    family: Family, prompts: Sequence[Prompt], measure: str
) -> Iterator[tuple[Swap, Similar]]:
    """Compare each swap of one eta with the plain run, by one measure."""
    vectors = image_vectors(family.plain, prompts, measure)
    centre = np.mean([*vectors.values()], axis=(0, 1)) if measure != PIXELS else 0.0
    for swap in family.swaps:
        own = swap.run.root == family.plain.root
        swapped = vectors if own else image_vectors(swap.run, prompts, measure)
        yield swap, _compare(vectors, swapped, centre, swap.seed)


def _compare(vectors: Vectors, swapped: Vectors, centre: Floats | float, j: int) -> Similar:
    starts = [seed for seed in sorted(swapped) if seed != j and seed in vectors]
    others = [seed for seed in sorted(vectors) if seed != j]
    similar = []
    for i in starts:
        other = others[(others.index(i) + 1) % len(others)]
        images = (vectors[i], vectors[j], vectors[other])
        similar.append([cosines(swapped[i] - centre, image - centre) for image in images])
    return np.moveaxis(np.array(similar), 1, 0)


def row(similar: Similar, groups: Sequence[str]) -> dict[str, Any]:
    """Summarise the similarities of one swap, or of several together.

    Args:
        similar: Shape (3, I, P).
        groups: The prompt group of each of the P prompts.
    """
    to_i, to_j, to_other = similar.mean(axis=1)
    start = grouped_mean_interval(to_i, groups)
    other = float(to_other.mean())
    return {
        **_with_ends("to_i", "to_i", start),
        **_with_ends("to_j", "to_j", grouped_mean_interval(to_j, groups)),
        "to_other": other,
        **_with_ends("start_minus_steps", "difference", grouped_mean_interval(to_i - to_j, groups)),
        **_with_ends("trace_of_j", "trace", grouped_mean_interval(to_j - to_other, groups)),
        "start_share": (start.value - other) / (1 - other) if other < 1 else None,
        "n": similar[0].size,
        "seeds": similar.shape[1],
        "groups": len(set(groups)),
    }


def _with_ends(name: str, short: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{short}_low": interval.low, f"{short}_high": interval.high}


def decides(numbers: Mapping[str, Any]) -> str:
    """Say which noise an image is more similar by: "start", "steps", or "neither".

    Example:
        >>> decides({"difference_low": 0.1, "difference_high": 0.2})
        'start'
        >>> decides({"difference_low": -0.1, "difference_high": 0.2})
        'neither'
    """
    if numbers["difference_low"] > 0:
        return "start"
    return "steps" if numbers["difference_high"] < 0 else "neither"
