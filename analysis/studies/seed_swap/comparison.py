"""Compare the images of a swap with those of both seeds, and say which seed they follow."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.statistics.intervals import grouped_mean_interval
from analysis.study_tools.second_seed import Similar, summary, with_ends


def row(similar: Similar, groups: Sequence[str]) -> dict[str, Any]:
    """Summarise the similarities of one swap, or of several together.

    Args:
        similar: Shape (3, I, P).
        groups: The prompt group of each of the P prompts.
    """
    to_i, to_j, to_other = similar.mean(axis=1)
    numbers = summary(similar, groups)
    start_share = numbers.pop("kept")
    return {
        **numbers,
        **with_ends("start_minus_steps", "difference", grouped_mean_interval(to_i - to_j, groups)),
        **with_ends("trace_of_j", "trace", grouped_mean_interval(to_j - to_other, groups)),
        "start_share": start_share,
    }


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
