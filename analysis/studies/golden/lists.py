"""Both lists of golden seeds, the paper's and a stricter one, and what they stand beside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from analysis.ranking.confirmation import p_value
from analysis.ranking.joint_rule import Judged, ListNull, top_by_all
from analysis.ranking.repeatability import prompts_needed, repeatability
from analysis.ranking.strict_rule import EXPECTED_ERROR, top_probabilities
from analysis.statistics.arrays import Floats
from analysis.statistics.nulls import overlap_null
from analysis.statistics.reliability import golden_by_expected_error, rank_correlation


@dataclass(frozen=True, eq=False)
class GoldenLists:
    """Who is golden by several metrics.

    Attributes:
        share: Share of the seeds that is the top of one metric.
        first: The metrics on set 1.
        second: The metrics on set 2.
        null: The list's law without any seed effect.
        listed: Places of the seeds in the top share by all metrics on set 1.
        again: Those of them that are so on set 2.
        top: Posterior probability of the true top share: per metric, then by all together.
        strict: Places of the seeds golden by the stricter rule, the most probable first.
        words: Per metric, how many prompts a repeatable ranking takes.
    """

    share: float
    first: Sequence[Judged]
    second: Sequence[Judged]
    null: ListNull
    listed: frozenset[int]
    again: frozenset[int]
    top: Sequence[Floats]
    strict: tuple[int, ...]
    words: Sequence[str]

    @classmethod
    def of(
        cls,
        companies: tuple[Sequence[Judged], Sequence[Judged]],
        null: ListNull,
        *,
        share: float,
        rng: np.random.Generator,
    ) -> "GoldenLists":
        """Apply both rules.

        Args:
            companies: The metrics on set 1 and on set 2.
            null: See `list_null`.
            share: Share of the seeds that is the top of one metric.
            rng: Draws posteriors and splits.
        """
        first, second = companies
        listed = top_by_all(first, share)
        top = [top_probabilities(m.metric, m.prepared, m.sample, rng, share=share) for m in second]
        # Wrong by all is at most wrong by one or wrong by the other: no independence is assumed.
        both = np.maximum(np.sum(top, axis=0) - (len(top) - 1), 0.0)
        strict = tuple(map(int, golden_by_expected_error(both, limit=EXPECTED_ERROR)))
        words = [_needed(one, two, rng) for one, two in zip(first, second, strict=True)]
        again = listed & top_by_all(second, share)
        return cls(share, first, second, null, listed, again, [*top, both], strict, words)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds."""
        return self.first[0].sample.seeds

    def named(self, places: frozenset[int]) -> list[int]:
        """Seeds of a list, the best by mean rank on set 2 first."""
        ranks = np.sum([one.ranks for one in self.second], axis=0)
        return [self.seeds[place] for place in sorted(places, key=lambda at: (ranks[at], at))]

    def numbers(self) -> dict[str, Any]:
        """Everything as numbers."""
        k, again = len(self.listed), len(self.again)
        unrelated = overlap_null(
            len(self.seeds), *(len(m.top(m.own, self.share)) for m in self.first)
        )
        sizes = [len(one.top(one.own, self.share)) for one in self.second]
        return {
            "seeds": len(self.seeds),
            "share": self.share,
            "metrics": [self._metric(place) for place in range(len(self.first))],
            "rank_correlation_of_the_metrics": rank_correlation(*(m.ranks for m in self.first)),
            "list": self.named(self.listed),
            "length": k,
            "length_unrelated": {
                "mean": unrelated.mean,
                "sd": unrelated.sd,
                "p": unrelated.probability_at_least(k),
            },
            "length_no_seed_effect": _chance(self.null.length, k),
            "again": self.named(self.again),
            "again_count": again,
            "again_unrelated": again_unrelated(len(self.seeds), k, sizes, again),
            "again_no_seed_effect": _chance(self.null.again, again),
            "strict": [self.seeds[place] for place in self.strict],
            "strict_limit": EXPECTED_ERROR,
        }

    def _metric(self, place: int) -> dict[str, Any]:
        one, two = self.first[place], self.second[place]
        return {
            "metric": one.metric.name,
            "unit": one.metric.unit,
            "higher_is_better": one.metric.higher_is_better,
            "n_set1": one.sample.n,
            "n_set2": two.sample.n,
            "top_on_set1": len(one.top(one.own, self.share)),
            "rank_correlation": rank_correlation(one.own, two.own),
            "prompts_needed_note": self.words[place],
        }


def again_unrelated(seeds: int, listed: int, tops: Sequence[int], again: int) -> dict[str, float]:
    """How many listed seeds two further rankings both call top, if nothing relates any of them.

    Two tops share a hypergeometric number of seeds, any of them alike; of so many, again a
    hypergeometric number is listed.

    Args:
        seeds: All seeds.
        listed: Those that are listed.
        tops: Seeds in the top of each of the two rankings.
        again: Listed seeds that are in both, as found.

    Returns:
        mean, and p, the probability of at least as many.

    Example:
        >>> again_unrelated(4, 1, (2, 2), 1)
        {'mean': 0.25, 'p': 0.25}
    """
    one, two = tops
    both = np.arange(min(tops) + 1)
    least = stats.hypergeom(seeds, listed, both).sf(again - 1)
    p = float(stats.hypergeom(seeds, one, two).pmf(both) @ least)
    return {"mean": listed * one * two / seeds**2, "p": min(p, 1.0)}


def _chance(null: Floats, observed: int) -> dict[str, float]:
    return {
        "mean": float(null.mean()),
        "sd": float(null.std()),
        "p": p_value(null, observed),
        "draws": len(null),
    }


def _needed(one: Judged, two: Judged, rng: np.random.Generator) -> str:
    """How many prompts a repeatable ranking by one metric would take, in words."""
    prepared, samples = [one.prepared, two.prepared], [one.sample, two.sample]
    found = repeatability(one.metric, prepared, samples, rng)
    needed = prompts_needed(found, per_image_mean=one.metric.per_image_mean)
    return f"{one.metric.name}: {needed.words}"
