"""The exact Frechet distance of many seeds, one processor core a seed.

Half of the eigenvalues' arithmetic is bound by memory, so two cores on one seed hardly beat one;
two seeds on two cores do. Processes, because scipy's LAPACK keeps the interpreter's lock.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats
from analysis.statistics.distances import Reference, frechet_distance

NARROW = 256
"""Features of fewer numbers are measured in this process: a distance takes milliseconds then."""


def frechet_distances(seeds: Iterable[ArrayLike], reference: Reference) -> Floats:
    """Frechet distance of every seed's features from one reference.

    Each distance is computed by one thread, so the numbers do not depend on how many cores the
    machine has.

    Args:
        seeds: Features of each seed, shape (n, d); taken one at a time, so an iterator will do.
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
