"""Compute in parallel: Frechet distances of many seeds, and items before they are used.

Frechet distances take one processor core per seed. Half of the eigenvalue computation is limited by
memory bandwidth, so two cores on one seed are hardly faster than one core; two seeds on two cores
are. Processes are used because scipy's LAPACK holds the interpreter's lock.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats
from analysis.statistics.distances import Reference, frechet_distance

NARROW = 256
"""Features with fewer columns are measured in this process: a distance takes milliseconds then."""
AHEAD = 8
"""Number of items that are computed before they are used."""

ItemT = TypeVar("ItemT")


def frechet_distances(seeds: Iterable[ArrayLike], reference: Reference) -> Floats:
    """Frechet distance of each seed's features from one reference.

    Each distance is computed by one thread, so the numbers do not depend on the machine's number
    of cores.

    Args:
        seeds: Features of each seed, shape (n, d); read one at a time, so it may be an iterator.
        reference: From features of the same d.

    Returns:
        Shape (S,), float64, as `frechet_distance` gives them.

    Raises:
        ValueError: As `frechet_distance`.

    Example:
        >>> reference = Reference.from_features([[0.0], [2.0]])
        >>> frechet_distances([[[3.0], [5.0]], [[0.0], [2.0]]], reference)
        array([9., 0.])
    """
    if reference.mean.size < NARROW:
        return np.array([frechet_distance(features, reference) for features in seeds])
    import joblib

    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        each = joblib.delayed(frechet_distance)
        pool = joblib.Parallel(n_jobs=joblib.cpu_count())
        return np.array(pool(each(features, reference) for features in seeds))


def ahead(items: Iterator[ItemT], depth: int = AHEAD) -> Iterator[ItemT]:
    """Compute items in a thread while earlier items are used.

    That helps where computing releases the interpreter's lock, as decoding images, hashing and
    drawing random numbers do.

    Args:
        items: Computed in the thread. An exception is raised here, in the order of the items.
        depth: Largest number of items that wait to be used.

    Example:
        >>> list(ahead(iter([1, 2, 3])))
        [1, 2, 3]
    """
    end = object()
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, items, end) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not end:
                yield cast(ItemT, item)
                waiting.append(pool.submit(next, items, end))
        finally:
            pool.shutdown(cancel_futures=True)
