"""Evaluate what the seeds of a pool draw together, averaged over who draws which prompt."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.ranking.joint_rule import Judged
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.bounds import Interval
from analysis.statistics.intervals import jackknife_interval
from analysis.statistics.leave_out import balanced_blocks

POOLS_AT_ONCE = 16
"""Pools evaluated at the same time."""
ASSIGNMENTS = 20
"""Random assignments of a pool's seeds to prompts, where their average is not known exactly."""


@dataclass(frozen=True, eq=False)
class Assignments:
    """The average of a metric over assignments: each prompt is drawn by a random seed of the pool.

    A single assignment says as much about luck as about the seeds: of 43 seeds, each draws one or
    two prompts. Where the metric knows its mean over all assignments (`Metric.of_pools`), that is
    the value; else the mean over `ASSIGNMENTS` random ones, which are the same for all pools of a
    size.

    Attributes:
        judged: The metric, and the images of all seeds.
        seed: Seeds the random assignments.
    """

    judged: Judged
    seed: int

    @cached_property
    def exact(self) -> Callable[[Indices], Floats] | None:
        """The mean over all assignments; None where no formula is known."""
        return self.judged.metric.of_pools(self.judged.prepared)

    @property
    def count(self) -> int | None:
        """Number of assignments that are averaged; None for all that there are."""
        return None if self.exact else ASSIGNMENTS

    def averages(self, pools: Indices) -> tuple[Floats, Floats]:
        """Average the metric of the images that pools draw.

        Args:
            pools: Shape (N, k), indices of the seeds of each pool.

        Returns:
            The average of each pool and its Monte-Carlo standard error, each of shape (N,). The
            error is 0 if all assignments are averaged.
        """
        if self.exact:
            return self.exact(pools), np.zeros(len(pools))
        return self._sampled(pools, np.ones(self.judged.sample.n, dtype=bool))

    def interval(self, pool: Indices) -> Interval:
        """Average over assignments for one pool, with a jackknife over blocks of prompt groups."""
        sample, metric = self.judged.sample, self.judged.metric
        blocks = balanced_blocks(sample.groups, sample.n)
        sizes = np.bincount(blocks)
        without = []
        for block in range(len(sizes)):
            keep = blocks != block
            own = [array[pool][:, keep] for array in self.judged.prepared] if self.exact else []
            exact = metric.of_pools(own) if own else None
            one = exact(np.arange(len(pool))[None]) if exact else self._sampled(pool[None], keep)[0]
            without.append(float(one[0]))
        return jackknife_interval(float(self.averages(pool[None])[0][0]), without, sizes)

    def _sampled(self, pools: Indices, keep: Indices) -> tuple[Floats, Floats]:
        rng = np.random.default_rng([self.seed, pools.shape[1]])
        turns = rng.integers(pools.shape[1], size=(ASSIGNMENTS, self.judged.sample.n))
        values = np.stack([self._of_owners(pools[:, turn], keep) for turn in turns])
        return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(ASSIGNMENTS)

    def of_owners(self, owners: Indices) -> Floats:
        """Compute the metric of images of which each prompt's is drawn by a given seed.

        The images of a pool are more diverse than those of each of its seeds, so the Frechet
        distance of the pool is lower on average. Compare pools only with pools of the same size.

        Args:
            owners: Shape (N, P), index of the seed that draws each prompt, for each of N pools.

        Returns:
            Shape (N,).
        """
        return self._of_owners(owners, np.ones(owners.shape[1], dtype=bool))

    def _of_owners(self, owners: Indices, keep: Indices) -> Floats:
        prompts = np.flatnonzero(keep)
        owners = owners[:, prompts]
        parts = [
            self.judged.metric.values(
                [array[owners[n : n + POOLS_AT_ONCE], prompts] for array in self.judged.prepared]
            )
            for n in range(0, len(owners), POOLS_AT_ONCE)
        ]
        return np.concatenate(parts)
