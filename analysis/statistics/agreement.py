"""Agreement of raters who put the same units into categories."""

import numpy as np
from numpy.typing import ArrayLike


def krippendorff_alpha(ratings: ArrayLike) -> float | None:
    """Krippendorff's alpha for categories without an order, with missing ratings.

    Args:
        ratings: Shape (raters, units), whole numbers; -1 where a rater did not rate a unit.

    Returns:
        1 for perfect agreement, 0 for that of chance; None where no unit has two ratings, or all
        ratings are the same, so that agreement by chance is certain.

    Source:
        Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C.

    Example:
        >>> krippendorff_alpha([[0, 1, 0, 1], [0, 1, 0, 1]])
        1.0
    """
    table = np.asarray(ratings)
    counts = np.stack([(table == value).sum(axis=0) for value in np.unique(table[table >= 0])])
    counts = counts[:, counts.sum(axis=0) >= 2].astype(np.float64)
    total = counts.sum()
    if total == 0:
        return None
    per_unit = counts.sum(axis=0)
    observed = 1 - (counts * (counts - 1) / (per_unit - 1)).sum() / total
    of_value = counts.sum(axis=1)
    expected = 1 - (of_value * (of_value - 1)).sum() / (total * (total - 1))
    return float(1 - observed / expected) if expected > 0 else None
