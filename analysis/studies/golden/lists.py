"""The golden seeds by the paper's rule and by a stricter one, and what chance would list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from analysis.metrics import Metric
from analysis.ranking.belief import why_withheld
from analysis.ranking.joint_rule import Judged, ListNull, top_by_all
from analysis.ranking.repeatability import Repeatability, prompts_needed, repeatability
from analysis.ranking.strict_rule import EXPECTED_ERROR, top_probabilities
from analysis.statistics.arrays import Floats
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.nulls import overlap_null
from analysis.statistics.reliability import golden_by_expected_error, rank_correlation


@dataclass(frozen=True, eq=False)
class GoldenLists:
    """The seeds that are golden by several metrics.

    Attributes:
        share: Share of the seeds that counts as the top of one metric.
        first: The metrics on set 1.
        second: The metrics on set 2.
        null: Lengths of the list without a seed effect.
        listed: Indices of the seeds in the top share by all metrics on set 1.
        again: Indices of the listed seeds that are also in the top share on set 2.
        top: Posterior probability of being in the true top share: one array per metric, then one
            for all metrics together.
        strict: Indices of the seeds golden by the stricter rule, the most probable first.
        words: For each metric, how many prompts a repeatable ranking takes.
        withheld: Why the lists name no seed, one reason for each metric whose order does not
            repeat; empty if all repeat.
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
    withheld: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        sets: tuple[Sequence[Judged], Sequence[Judged]],
        null: ListNull,
        *,
        share: float,
        rng: np.random.Generator,
    ) -> "GoldenLists":
        """Apply both rules.

        Args:
            sets: The metrics on set 1 and on set 2.
            null: See `list_null`.
            share: Share of the seeds that counts as the top of one metric.
            rng: Draws posteriors and splits.
        """
        first, second = sets
        listed = top_by_all(first, share)
        pairs = list(zip(first, second, strict=True))
        repeats = [_repeats(*pair, rng) for pair in pairs]
        withheld = [_withheld(*pair, known) for pair, known in zip(pairs, repeats, strict=True)]
        top = [
            top_probabilities(m.metric, m.prepared, m.sample, rng, share=share, repeated=known)
            for m, known in zip(second, repeats, strict=True)
        ]
        # The union bound: the errors of the metrics add up. It does not assume independence.
        both = np.maximum(np.sum(top, axis=0) - (len(top) - 1), 0.0)
        strict = tuple(map(int, golden_by_expected_error(both, limit=EXPECTED_ERROR)))
        words = [_needed_text(m.metric, known) for m, known in zip(second, repeats, strict=True)]
        again, why = listed & top_by_all(second, share), [reason for reason in withheld if reason]
        if why:
            strict = ()
        return cls(share, first, second, null, listed, again, [*top, both], strict, words, why)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds."""
        return self.first[0].sample.seeds

    def ordered(self, indices: frozenset[int]) -> list[int]:
        """The seeds of a list, the best by mean rank on set 2 first."""
        ranks = np.sum([judged.ranks for judged in self.second], axis=0)
        return [self.seeds[index] for index in sorted(indices, key=lambda i: (ranks[i], i))]

    def numbers(self) -> dict[str, Any]:
        """Everything as numbers, JSON-ready."""
        k, again = len(self.listed), len(self.again)
        unrelated = overlap_null(
            len(self.seeds), *(len(m.top(m.seed_values, self.share)) for m in self.first)
        )
        sizes = [len(m.top(m.seed_values, self.share)) for m in self.second]
        return {
            "seeds": len(self.seeds),
            "share": self.share,
            "metrics": [self._metric_numbers(index) for index in range(len(self.first))],
            "rank_correlation_of_the_metrics": rank_correlation(*(m.ranks for m in self.first)),
            "list": self.ordered(self.listed),
            "length": k,
            "length_unrelated": {
                "mean": unrelated.mean,
                "sd": unrelated.sd,
                "p": unrelated.probability_at_least(k),
            },
            "length_no_seed_effect": _null_numbers(self.null.length, k),
            "again": self.ordered(self.again),
            "again_count": again,
            "again_unrelated": again_unrelated(len(self.seeds), k, sizes, again),
            "again_no_seed_effect": _null_numbers(self.null.again, again),
            "strict": [self.seeds[index] for index in self.strict],
            "strict_limit": EXPECTED_ERROR,
            "withheld": list(self.withheld),
            "warnings": self.warnings,
        }

    @property
    def warnings(self) -> list[str]:
        """Prompt groups that were cut because they weigh too much, each once."""
        warnings = (judged.warning for judged in [*self.first, *self.second] if judged.warning)
        return list(dict.fromkeys(warnings))

    def _metric_numbers(self, index: int) -> dict[str, Any]:
        first, second = self.first[index], self.second[index]
        return {
            "metric": first.metric.name,
            "unit": first.metric.unit,
            "higher_is_better": first.metric.higher_is_better,
            "n_set1": first.sample.n,
            "n_set2": second.sample.n,
            "top_on_set1": len(first.top(first.seed_values, self.share)),
            "rank_correlation": rank_correlation(first.seed_values, second.seed_values),
            "prompts_needed_note": self.words[index],
        }


def again_unrelated(seeds: int, listed: int, tops: Sequence[int], again: int) -> dict[str, float]:
    """How many listed seeds are in the tops of two further rankings if all are unrelated.

    The two tops share a hypergeometric number of seeds. Of these, a hypergeometric number is
    listed.

    Args:
        seeds: Number of all seeds.
        listed: Number of listed seeds.
        tops: Number of seeds in the top of each of the two rankings.
        again: Observed number of listed seeds in both tops.

    Returns:
        "mean", and "p", the probability of at least `again`.

    Example:
        >>> again_unrelated(4, 1, (2, 2), 1)
        {'mean': 0.25, 'p': 0.25}
    """
    first, second = tops
    shared = np.arange(min(tops) + 1)
    enough_listed = stats.hypergeom(seeds, listed, shared).sf(again - 1)
    p = float(stats.hypergeom(seeds, first, second).pmf(shared) @ enough_listed)
    return {"mean": listed * first * second / seeds**2, "p": min(p, 1.0)}


def _null_numbers(null: Floats, observed: int) -> dict[str, float]:
    return {
        "mean": float(null.mean()),
        "sd": float(null.std()),
        "p": p_value(null, observed),
        "draws": len(null),
    }


def _repeats(first: Judged, second: Judged, rng: np.random.Generator) -> Repeatability:
    prepared, samples = [first.prepared, second.prepared], [first.sample, second.sample]
    return repeatability(first.metric, prepared, samples, rng)


def _withheld(first: Judged, second: Judged, repeats: Repeatability) -> str:
    """Why no list by one metric may stand; empty if it may."""
    reason = why_withheld([first.sample, second.sample], repeats)
    return f"by {first.metric.name}, {reason}" if reason else ""


def _needed_text(metric: Metric, repeats: Repeatability) -> str:
    """How many prompts a repeatable ranking by one metric would take, in words."""
    needed = prompts_needed(repeats, per_image_mean=metric.per_image_mean)
    return f"{metric.name}: {needed.words}"
