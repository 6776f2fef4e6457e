"""Decide whether a list may stand, and which number to believe where two of them disagree.

The two prompt sets usually share their prompt groups. A seed that is good for one object alone is
then good on both sets, and a list is confirmed although nothing would repeat with other objects.
The reliability compares halves without a common group, so it is what a list has to rest on.
"""

from collections.abc import Sequence

from analysis.cells.cells import Sample
from analysis.ranking.groups import LEAST_GROUPS, shared_groups
from analysis.ranking.repeatability import Repeatability
from analysis.statistics.bounds import Interval

FLOOR = 0.0
"""The lower end of the reliability's 95 % interval must be above this for a list."""


def why_withheld(samples: Sequence[Sample], repeated: Repeatability) -> str:
    """Say why no list may stand, whatever its p-value.

    Args:
        samples: Set 1 and set 2.
        repeated: The reliability of the ranking.

    Returns:
        The reason; empty if there is none. It completes "the list is withheld: ...".
    """
    for number, sample in enumerate(samples, start=1):
        groups = len(set(sample.groups.tolist()))
        if groups < LEAST_GROUPS:
            return (
                f"set {number} has {groups} prompt groups, and without at least {LEAST_GROUPS} "
                f"nothing says whether other prompts would repeat it"
            )
    if not repeated.across_groups:
        return (
            "there are too few prompts to compare halves without a common prompt group, so nothing "
            "says whether other prompts would repeat it"
        )
    if repeated.full.low > FLOOR:
        return ""
    return (
        f"halves without a common prompt group do not repeat the order of the seeds (reliability "
        f"{_ends(repeated.full)}; the lower end must be above {FLOOR:g})"
    )


def which_to_believe(
    samples: Sequence[Sample],
    repeated: Repeatability,
    correlation: Interval,
    p_values: Sequence[float],
    *,
    level: float,
) -> str:
    """Say which of reliability, rank correlation and lists to believe if they disagree.

    Args:
        samples: Set 1 and set 2.
        repeated: The reliability of the ranking.
        correlation: Rank correlation of the two sets.
        p_values: Of the good and of the bad list.
        level: Level at which a list is confirmed.

    Returns:
        Sentences; empty if they agree.
    """
    repeats = repeated.across_groups and repeated.full.low > FLOOR
    listed = min(p_values) <= level
    if repeats and not listed:
        return (
            "Which to believe: both. Seeds differ, and other prompts would repeat part of their "
            f"order (reliability {_ends(repeated.full)}), but there are too few prompts to say "
            "which seeds are in the top or bottom share."
        )
    if repeats or not (listed or correlation.low > 0):
        return ""
    return _believe_reliability(samples, repeated, correlation)


def _believe_reliability(
    samples: Sequence[Sample], repeated: Repeatability, correlation: Interval
) -> str:
    shared, groups = shared_groups(samples)
    if not shared:
        return (
            "Which to believe: neither alone. The sets share no prompt group, so their rank "
            f"correlation ({_ends(correlation)}) and the reliability ({_ends(repeated.full)}) ask "
            "the same question, and differ by chance. Draw more prompts."
        )
    halves = (
        f"halves without a common group do not (reliability {_ends(repeated.full)})"
        if repeated.across_groups
        else "there are too few prompts to compare halves without a common group"
    )
    return (
        f"Which to believe: the reliability. The two sets agree (rank correlation "
        f"{_ends(correlation)}), but they share {shared} of {groups} prompt groups, and seeds that "
        f"are good for these groups alone are enough for that; {halves}. So no seed is shown to be "
        f"good for other prompts."
    )


def _ends(interval: Interval) -> str:
    return f"{interval.value:z.2f} [{interval.low:z.2f}, {interval.high:z.2f}]"
