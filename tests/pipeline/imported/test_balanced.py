"""The balanced part is complete, and on small grids as large as any."""

from itertools import combinations

import numpy as np

from pipeline.imported.balanced import balanced_part


def largest(grid: dict[str, set[int]]) -> int:
    """The most cells of a product of at least 2 x 2, by trying all sets of prompts."""
    sizes = [0]
    for count in range(2, len(grid) + 1):
        for chosen in combinations(grid.values(), count):
            seeds = set.intersection(*chosen)
            sizes += [count * len(seeds)] if len(seeds) > 1 else []
    return max(sizes)


def test_no_product_is_larger() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        there = rng.random((8, 6)) < rng.uniform(0.3, 0.9)
        grid = {f"p{i}": {*np.flatnonzero(row).tolist()} for i, row in enumerate(there)}
        prompts, seeds = balanced_part(grid)
        assert all(set(seeds) <= grid[prompt] for prompt in prompts)
        if largest(grid):
            assert len(prompts) * len(seeds) == largest(grid)


def test_many_prompts_with_a_few_gaps_stay_nearly_whole() -> None:
    rng = np.random.default_rng(1)
    there = rng.random((300, 32)) < 0.999
    grid = {f"p{i}": {*np.flatnonzero(row).tolist()} for i, row in enumerate(there)}
    prompts, seeds = balanced_part(grid)
    assert all(set(seeds) <= grid[prompt] for prompt in prompts)
    assert len(prompts) * len(seeds) >= 32 * sum(len(row) == 32 for row in grid.values())


def test_one_line_is_better_than_nothing() -> None:
    assert balanced_part({"a": {1, 2, 3}, "b": {9}}) == (["a"], [1, 2, 3])
    assert balanced_part({"a": {1}, "b": {1}}) == (["a", "b"], [1])
