"""Decide whether events are too rare for an interval of their variance shares."""

import numpy as np
from numpy.typing import ArrayLike

LEAST_EVENTS = 20
"""Smallest number of events for an interval. In simulation (32 seeds x 20 groups of 4 prompts,
and 16 seeds x 10 groups of 6; rates of seeds and groups from gamma distributions with mean 1 and
variance 0.5 to 1), the jackknife's 95 % interval of the seed's share covers 91 to 97 % with 20
events or more. With fewer it covers 77 to 93 %, and is up to 1,080 % wide."""


def too_few_events(values: ArrayLike) -> str:
    """Say why the variance shares of a binary value have no interval; empty if they have one.

    A jackknife leaves out one seed at a time. If only two of hundreds of images show an event,
    leaving out a seed removes either half of all information or none.

    Args:
        values: Any shape; NaN marks a missing cell. Only values that are all 0 or 1 are checked,
            by the count of the rarer value.

    Example:
        >>> too_few_events([0.0, 1.0, 0.0])
        'no interval: 1 of 3 cells differs from the others, at least 20 are needed'
        >>> too_few_events([0.2, 1.0, 0.0]), too_few_events([0, 1] * 20)
        ('', '')
    """
    y = np.asarray(values, dtype=np.float64)
    known = y[~np.isnan(y)]
    rarer = min(int((known == 0).sum()), int((known == 1).sum()))
    if rarer >= LEAST_EVENTS or not np.isin(known, (0, 1)).all():
        return ""
    verb = "differs" if rarer == 1 else "differ"
    return (
        f"no interval: {rarer:,} of {len(known):,} cells {verb} from the others, at least "
        f"{LEAST_EVENTS} are needed"
    )
