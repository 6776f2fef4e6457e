"""Compare the seeds chosen on set 1 with those of set 2, and with what chance alone would give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.ranking.result import Gap, RankedSeed, SeedList
from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import Interval
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.nulls import Direction, best_worst_gap, overlap_null, pooled_p_values
from analysis.statistics.reliability import midranks, top_with_ties

LEVEL = 0.05
"""A list is confirmed if the permuted null gives as many seeds at most this often."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Values under permuted owners, of shape (B, S) on each set."""

    set1: Floats
    set2: Floats


def gap_beside_null(values: Floats, draws: Floats) -> Gap:
    """Compare the gap of values, shape (S,), with that of permuted draws, shape (B, S)."""
    gap, null = float(best_worst_gap(values)), best_worst_gap(draws)
    return Gap(gap, float(null.mean()), float(np.percentile(null, 95)), p_value(null, gap))


@dataclass(frozen=True)
class End:
    """One end of the ranking.

    Attributes:
        direction: Which values are at this end.
        name: "top" or "bottom".
        share: Share of the seeds that a list may hold.
        hint: Advice if the list is empty.
    """

    direction: Direction
    name: str
    share: float
    hint: str

    def tops(self, values: Floats) -> list[int]:
        """Return the indices of the seeds of this end, including all ties at the boundary."""
        m = max(1, round(self.share * len(values)))
        return [int(seed) for seed in top_with_ties(values, m, direction=self.direction)]

    def again(self, first: Floats, second: Floats) -> list[int]:
        """Return the indices of seeds at this end of both sets, in the order of the second set."""
        chosen = set(self.tops(first))
        return [seed for seed in self.tops(second) if seed in chosen]


def seed_list(seeds: Sequence[int], values: Sequence[Floats], draws: Draws, end: End) -> SeedList:
    """Make the list of one end of the ranking, with both nulls."""
    chosen, second = end.tops(values[0]), end.tops(values[1])
    again = end.again(*values)
    null = np.array([len(end.again(*pair)) for pair in zip(draws.set1, draws.set2, strict=True)])
    p = p_value(null, len(again))
    unrelated = overlap_null(len(seeds), len(chosen), len(second))
    confirmed = p <= LEVEL
    comparison = (
        f"{len(again)} of {len(chosen)} seeds again in the {end.name} {end.share:.0%}, "
        f"chance gives {null.mean():.1f} +- {null.std():.1f} (p = {p:.2g})."
    )
    return SeedList(
        seeds=tuple(seeds[index] for index in again) if confirmed else (),
        confirmed=confirmed,
        chosen=len(chosen),
        top_set2=len(second),
        again=len(again),
        null_mean=float(null.mean()),
        null_sd=float(null.std()),
        null_p=p,
        unrelated_mean=unrelated.mean,
        unrelated_sd=unrelated.sd,
        unrelated_p=unrelated.probability_at_least(len(again)),
        chosen_mean_set2=float(values[1][chosen].mean()),
        verdict=f"set 2 confirms set 1: {comparison}"
        if confirmed
        else f"set 2 does not confirm set 1: {comparison} The list is empty.{end.hint}",
    )


def ranked_seeds(
    seeds: Sequence[int],
    values: Sequence[Floats],
    intervals: Sequence[Interval],
    draws: Floats,
    best: Direction,
    at_infinity: Floats | None,
) -> tuple[RankedSeed, ...]:
    """List all seeds, best on set 2 first; equal values in the order of the seeds."""
    sign = -1.0 if best == "higher" else 1.0
    ranks = [midranks(sign * set_values) for set_values in values]
    better = pooled_p_values(values[1], draws, direction=best)
    worse = pooled_p_values(values[1], draws, direction="lower" if best == "higher" else "higher")
    return tuple(
        RankedSeed(
            seed=seeds[i],
            rank_set1=float(ranks[0][i]),
            rank_set2=float(ranks[1][i]),
            value=intervals[i].value,
            low=intervals[i].low,
            high=intervals[i].high,
            n=intervals[i].n,
            p_better=float(better[i]),
            p_worse=float(worse[i]),
            at_infinity=None if at_infinity is None else float(at_infinity[i]),
        )
        for i in np.argsort(ranks[1], kind="stable")
    )
