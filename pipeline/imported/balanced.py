"""Finds the largest balanced part of an incomplete grid: prompts x seeds that are all there."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set

EXACT = 12
"""Up to this many different sets of seeds, all their intersections are tried."""
STARTS = 16
"""Beyond that, how many sets of seeds a part is grown from."""
CONSIDERED = 2000
"""Sets of seeds that are considered at most, those with most cells first."""


def balanced_part(grid: Mapping[str, Set[int]]) -> tuple[list[str], list[int]]:
    """Find many cells that form a full product of prompts and seeds.

    The largest product is hard to find in general. It is exact where the prompts have at most
    `EXACT` different sets of seeds; otherwise it is grown greedily, and larger ones may exist. A
    product of at least 2 x 2 goes before one of a single prompt or seed.

    Args:
        grid: Prompt -> its seeds.

    Returns:
        The prompts in the order of the grid, and the seeds, ascending.

    Example:
        >>> balanced_part({"a": {1, 2, 3}, "b": {2, 3}, "c": {9}})
        (['a', 'b'], [2, 3])
    """
    core = _core(grid)
    sets = Counter(frozenset(seeds) for seeds in core.values())
    candidates = _all_intersections(sets) if len(sets) <= EXACT else _grown(sets)
    best = max(candidates, key=lambda seeds: _score(seeds, sets), default=frozenset[int]())
    return [prompt for prompt, seeds in core.items() if best <= seeds], sorted(best)


def _core(grid: Mapping[str, Set[int]]) -> dict[str, frozenset[int]]:
    """Drop, again and again, prompts with one seed and seeds with one prompt, unless all go."""
    core = {prompt: frozenset(seeds) for prompt, seeds in grid.items()}
    while True:
        counts = Counter(seed for seeds in core.values() for seed in seeds)
        kept = {p: frozenset(s for s in seeds if counts[s] > 1) for p, seeds in core.items()}
        kept = {prompt: seeds for prompt, seeds in kept.items() if len(seeds) > 1}
        if kept == core:
            break
        core = kept
    return core or _one_line(grid)


def _one_line(grid: Mapping[str, Set[int]]) -> dict[str, frozenset[int]]:
    """Give the longer of the prompt with most seeds and the seed with most prompts."""
    if not grid:
        return {}
    counts = Counter(seed for seeds in grid.values() for seed in seeds)
    seed, prompts = max(counts.items(), key=lambda item: (item[1], -item[0]))
    prompt = max(grid, key=lambda name: len(grid[name]))
    if len(grid[prompt]) >= prompts:
        return {prompt: frozenset(grid[prompt])}
    return {name: frozenset({seed}) for name, seeds in grid.items() if seed in seeds}


def _score(seeds: frozenset[int], sets: Mapping[frozenset[int], int]) -> tuple[bool, int, int]:
    prompts = sum(count for other, count in sets.items() if seeds <= other)
    return min(prompts, len(seeds)) > 1, prompts * len(seeds), prompts


def _all_intersections(sets: Iterable[frozenset[int]]) -> set[frozenset[int]]:
    found: set[frozenset[int]] = set()
    for seeds in sets:
        found |= {seeds} | {seeds & other for other in found}
    return found - {frozenset()}


def _grown(sets: Mapping[frozenset[int], int]) -> set[frozenset[int]]:
    """Start from large sets, and add the set that leaves most seeds in common, to the end."""
    by_size = sorted(sets, key=lambda seeds: (-len(seeds) * sets[seeds], sorted(seeds)))
    found = set()
    for start in by_size[:STARTS]:
        common, left = start, set(by_size[:CONSIDERED]) - {start}
        while common:
            found.add(common)
            left = {other for other in left if not common <= other}
            common = max((common & other for other in left), key=len, default=frozenset())
    return found
