"""One metric of every seed: values, ranking, and the part of their spread that is not noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.ranking.groups import cap_groups
from analysis.ranking.judges import JudgedSeeds
from analysis.ranking.repeatability import Repeatability, prompts_needed
from analysis.ranking.result import RankedSeed, Ranking
from analysis.ranking.strict_rule import deviation_errors
from analysis.statistics.bounds import Interval
from analysis.statistics.shrinkage import Shrunken, shrink, spread_interval


@dataclass(frozen=True, eq=False)
class SeedQuality:
    """One metric of all seeds on both sets.

    Attributes:
        metric: The metric.
        seeds: The S seeds, ascending.
        first: Values on set 1, with intervals.
        ranking: The ranking of the seeds.
        shrunken: Values on set 2, shrunken towards the mean of all seeds.
        spread: Standard deviation of the true seed effects.
        judged: What judges say on set 2 about the seeds that set 1 chose.
    """

    metric: Metric
    seeds: tuple[int, ...]
    first: list[Interval]
    ranking: Ranking
    shrunken: Shrunken
    spread: Interval
    judged: JudgedSeeds

    @classmethod
    def of(
        cls,
        metric: Metric,
        samples: Sequence[Sample],
        ranking: Ranking,
        judged: JudgedSeeds,
    ) -> "SeedQuality":
        """Evaluate the metric on samples of set 1 and set 2.

        Args:
            metric: The metric.
            samples: Set 1 and set 2.
            ranking: The ranking made from them.
            judged: What judges say about the seeds that set 1 chose.
        """
        first, second = (cap_groups(sample, n)[0] for n, sample in enumerate(samples, start=1))
        prepared = metric.prepare(second.only(metric.needs))
        known = Repeatability(
            ranking.reliability, ranking.reliability_half, ranking.reliability_across_groups
        )
        errors = deviation_errors(metric, prepared, second, known)
        values = metric.values(prepared)
        return cls(
            metric,
            second.seeds,
            metric.compute(first.only(metric.needs), first.groups),
            ranking,
            shrink(values, errors),
            spread_interval(values, errors),
            judged,
        )

    def seed_rows(self) -> list[dict[str, Any]]:
        """One row per seed, the best on set 2 first."""
        rows = {seed: row for row, seed in enumerate(self.seeds)}
        return [self._seed_row(ranked, rows[ranked.seed]) for ranked in self.ranking.seeds]

    def _seed_row(self, ranked: RankedSeed, row: int) -> dict[str, Any]:
        first = self.first[row]
        return {
            "metric": self.metric.name,
            "seed": ranked.seed,
            "set1": first.value,
            "set1_low": first.low,
            "set1_high": first.high,
            "rank_set1": ranked.rank_set1,
            "set2": ranked.value,
            "set2_low": ranked.low,
            "set2_high": ranked.high,
            "rank_set2": ranked.rank_set2,
            "set2_at_infinity": ranked.at_infinity,
            "shrunken": float(self.shrunken.mean[row]),
            "shrunken_sd": float(self.shrunken.sd[row]),
            "p_better": ranked.p_better,
            "p_worse": ranked.p_worse,
        }

    def _mean_at_infinity(self) -> float | None:
        limits = [seed.at_infinity for seed in self.ranking.seeds if seed.at_infinity is not None]
        return float(np.mean(limits)) if limits else None

    def known(self) -> dict[str, Any]:
        """What `goldenseed plan` needs to estimate the prompts for any reliability."""
        return {
            "metric": self.metric.name,
            "per_image_mean": self.metric.per_image_mean,
            "full": self.ranking.reliability,
            "half": self.ranking.reliability_half,
        }

    def row(self, target: float) -> dict[str, Any]:
        """The row of the metric in the table "metrics".

        Args:
            target: Reliability for which the number of prompts is estimated.
        """
        ranking, floor = self.ranking, self.ranking.floor
        known = Repeatability(ranking.reliability, ranking.reliability_half)
        needed = prompts_needed(known, per_image_mean=self.metric.per_image_mean, target=target)
        parts = {
            "rank_correlation": ranking.rank_correlation,
            "reliability": ranking.reliability,
            "spread": self.spread,
        }
        bounds = {
            f"{name}{end}": value
            for name, interval in parts.items()
            for end, value in (
                ("", interval.value),
                ("_low", interval.low),
                ("_high", interval.high),
            )
        }
        return {
            "metric": self.metric.name,
            "unit": self.metric.unit,
            "higher_is_better": bool(self.metric.higher_is_better),
            "seeds": ranking.n_seeds,
            "n_set1": ranking.n_set1,
            "n_set2": ranking.n_set2,
            **bounds,
            "gap": ranking.gap.value,
            "gap_null_mean": ranking.gap.null_mean,
            "gap_null_high": ranking.gap.null_high,
            "gap_p": ranking.gap.p,
            "floor": floor.mean if floor else None,
            "floor_spread": floor.spread if floor else None,
            "floor_n": floor.n if floor else None,
            "floor_reference_n": floor.reference_n if floor else None,
            "floor_note": ranking.floor_note,
            "at_infinity": self._mean_at_infinity(),
            "at_infinity_n": ", ".join(map(str, ranking.at_infinity_n)),
            "at_infinity_note": ranking.at_infinity_note,
            "best": ranking.seeds[0].seed,
            "worst": ranking.seeds[-1].seed,
            "prompts_needed": needed.prompts,
            "note": needed.words,
            "belief": ranking.belief,
            "warnings": " ".join(ranking.warnings),
            "judges_note": self.judged.words,
        }
