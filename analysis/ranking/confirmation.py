"""Compare the seeds chosen on set 1 with those of set 2, and with what chance alone would give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.ranking.result import Gap, RankedSeed, SeedList
from analysis.ranking.ties import most_with_ties, ties_words
from analysis.statistics.arrays import Flags, Floats
from analysis.statistics.intervals import Interval
from analysis.statistics.monte_carlo import p_value, p_words
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

    def places(self, seeds: int) -> int:
        """Return how many seeds the share is, without ties."""
        return max(1, round(self.share * seeds))

    def tops(self, values: Floats) -> list[int]:
        """Return the indices of the seeds of this end, including all ties at the boundary."""
        m = self.places(len(values))
        return [int(seed) for seed in top_with_ties(values, m, direction=self.direction)]

    def confirming(self, draws: Draws) -> Callable[[Floats, Floats], bool]:
        """Return a function that says whether values of both sets confirm this end."""
        null = self.again_null(draws)
        return lambda *values: p_value(null, len(self.again(*values))) <= LEVEL

    def too_many_ties(self, values: Sequence[Floats], draws: Draws) -> str:
        """Say that ties leave no list; empty if they do not.

        A list may be longer than its share by the ties that the null also has, and by a quarter of
        its share at most.

        Args:
            values: Values of the seeds on each set, shape (S,).
            draws: The same under permuted owners.
        """
        m = self.places(len(values[0]))
        pairs = zip(values, (draws.set1, draws.set2), strict=True)
        for number, (of_set, null) in enumerate(pairs, start=1):
            listed, longest = int(self.among(of_set).sum()), int(self.among(null).sum(axis=1).max())
            if listed > min(longest, most_with_ties(m)):
                return ties_words(listed, m, len(of_set), f"set {number}")
        return ""

    def again(self, first: Floats, second: Floats) -> list[int]:
        """Return the indices of seeds at this end of both sets, in the order of the second set."""
        chosen = set(self.tops(first))
        return [seed for seed in self.tops(second) if seed in chosen]

    def among(self, values: Floats) -> Flags:
        """Say which seeds are at this end, ties included, for values of shape (..., S)."""
        x = values if self.direction == "higher" else -values
        last = np.sort(x, axis=-1)[..., -self.places(x.shape[-1]), None]
        return np.asarray(x >= last)

    def again_null(self, draws: Draws) -> Floats:
        """Count the seeds at this end of both sets in each draw, shape (B,)."""
        both = self.among(draws.set1) & self.among(draws.set2)
        return np.asarray(both.sum(axis=1), dtype=np.float64)


def seed_list(
    seeds: Sequence[int],
    values: Sequence[Floats],
    draws: Draws,
    end: End,
    *,
    ties: str = "",
    withheld: str = "",
) -> SeedList:
    """Make the list of one end of the ranking, with both nulls.

    Args:
        seeds: The S seeds.
        values: Values on each set, shape (S,).
        draws: The same under permuted owners.
        end: The end.
        ties: From `End.too_many_ties`.
        withheld: Why no list may stand even if set 2 confirms it; empty if there is no reason.
    """
    chosen, second = end.tops(values[0]), end.tops(values[1])
    again = end.again(*values)
    null = end.again_null(draws)
    p = p_value(null, len(again))
    unrelated = overlap_null(len(seeds), len(chosen), len(second))
    confirmed = p <= LEVEL and not ties and not withheld
    comparison = (
        f"{len(again)} of {len(chosen)} seeds again in the {end.name} {end.share:.0%}, "
        f"chance gives {null.mean():.1f} +- {null.std():.1f} ({p_words(p, len(null))})."
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
        verdict=_verdict(comparison, p, ties, withheld, end.hint),
        withheld=ties or withheld,
    )


def _verdict(comparison: str, p: float, ties: str, withheld: str, hint: str) -> str:
    """The result of a list in words."""
    if ties:
        return f"{ties}. The list is empty."
    if p > LEVEL:
        return f"set 2 does not confirm set 1: {comparison} The list is empty. {hint}"
    if withheld:
        return f"set 2 agrees with set 1: {comparison} But the list is withheld: {withheld}. {hint}"
    return f"set 2 confirms set 1: {comparison}"


def ranked_seeds(
    seeds: Sequence[int],
    values: Sequence[Floats],
    intervals: Sequence[Interval],
    draws: Floats,
    best: Direction,
    expected: Floats,
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
            expected=float(expected[i]),
        )
        for i in np.argsort(ranks[1], kind="stable")
    )
