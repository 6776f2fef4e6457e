"""Keep a prompt group from deciding a ranking alone: cap its weight, or name it where it does."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.arrays import Flags, Floats, Indices
from analysis.statistics.leave_out import group_codes

HEAVIEST = 0.25
"""Largest share of the prompts that a group may have in a ranking."""
LEAST_GROUPS = 4
"""Prompt groups of a set, at least, for a list: halves of fewer cannot be compared."""
CHECKED = 64
"""The largest groups; each is left out once. A smaller one cannot carry a list."""
NAMED = 3
"""Groups that a warning names, at most."""


def largest_size(sizes: Indices) -> int:
    """Find how many prompts a group may have at most.

    Args:
        sizes: Shape (G,), prompts of each group.

    Returns:
        The largest k that is at most a quarter of all prompts once each group is cut to k. With
        fewer than 4 groups no such k exists, and nothing is cut.

    Example:
        >>> largest_size(np.array([30, 2, 2, 2])), largest_size(np.array([5, 5, 5, 5, 5]))
        (2, 5)
    """
    fits = (k for k in range(int(sizes.max()), 0, -1) if k <= HEAVIEST * np.minimum(sizes, k).sum())
    return next(fits, int(sizes.max()))


def cap_groups(sample: Sample, prompt_set: int) -> tuple[Sample, str]:
    """Leave out prompts of groups that hold more than a quarter of a set.

    Of such a group, the first prompts are kept in the order of their ids.

    Args:
        sample: Cells of a prompt set.
        prompt_set: Its number, for the words.

    Returns:
        The sample, and a warning that names the groups; empty if nothing was left out.
    """
    codes = group_codes(sample.groups, sample.n)
    sizes = np.bincount(codes)
    most = largest_size(sizes)
    if sizes.max() <= most:
        return sample, ""
    kept = _first_of_each(codes, most)
    columns = {need: values[:, kept] for need, values in sample.columns.items()}
    prompts = tuple(sample.prompts[i] for i in kept)
    cut = {str(name): n for name, n in Counter(sample.groups.tolist()).items() if n > most}
    names = ", ".join(f"{name!r} ({n} prompts)" for name, n in sorted(cut.items()))
    return Sample(sample.seeds, prompts, columns, sample.dropped), (
        f"Set {prompt_set} is mostly about {names}. No prompt group may weigh more than "
        f"{HEAVIEST:.0%}, so {most} prompts of each are used, and {len(kept)} of {sample.n} in all."
    )


def _first_of_each(codes: Indices, most: int) -> Indices:
    """Indices of the first `most` rows of each group, in order."""
    seen = np.zeros(int(codes.max()) + 1, dtype=np.intp)
    kept = []
    for row, code in enumerate(codes):
        seen[code] += 1
        if seen[code] <= most:
            kept.append(row)
    return np.array(kept, dtype=np.intp)


def shared_groups(samples: Sequence[Sample]) -> tuple[int, int]:
    """Count the prompt groups that set 1 and set 2 share, and those of set 2."""
    first, second = (set(sample.groups.tolist()) for sample in samples)
    return len(first & second), len(second)


def carrying_groups(
    metric: Metric,
    prepared: Sequence[Sequence[Any]],
    samples: Sequence[Sample],
    confirmed: Callable[[Floats, Floats], bool],
) -> list[str]:
    """Find the prompt groups without which a list would not be confirmed.

    Each of the 64 largest groups is left out of both sets in turn.

    Args:
        metric: The metric.
        prepared: What `metric.prepare` returned for each set.
        samples: Set 1 and set 2.
        confirmed: Says whether values of the seeds on both sets confirm the list.

    Returns:
        Names of the groups, the largest first.
    """
    sizes = Counter(group for sample in samples for group in sample.groups.tolist())
    return [
        str(group)
        for group, _ in sizes.most_common(CHECKED)
        if not _confirmed_without(group, metric, prepared, samples, confirmed)
    ]


def _confirmed_without(
    group: str,
    metric: Metric,
    prepared: Sequence[Sequence[Any]],
    samples: Sequence[Sample],
    confirmed: Callable[[Floats, Floats], bool],
) -> bool:
    values = []
    for arrays, sample in zip(prepared, samples, strict=True):
        others: Flags = sample.groups != group
        values.append(metric.values([array[:, others] for array in arrays]))
    return confirmed(*values)


def carried_words(name: str, groups: Sequence[str]) -> str:
    """Warn that a list depends on single prompt groups; empty if it does not.

    Args:
        name: "Golden seeds" or "Bad seeds".
        groups: From `carrying_groups`.

    Example:
        >>> carried_words("Bad seeds", ["kite"])
        "Bad seeds: without the prompt group 'kite', set 2 would not confirm this list."
    """
    if not groups:
        return ""
    names = ", ".join(map(repr, groups[:NAMED]))
    if len(groups) == 1:
        return f"{name}: without the prompt group {names}, set 2 would not confirm this list."
    more = f" and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
    return (
        f"{name}: leaving out any one of {len(groups)} prompt groups ({names}{more}) is enough for "
        f"set 2 not to confirm this list."
    )
