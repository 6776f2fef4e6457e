"""How good every seed of a run is by one metric: values, ranking, and what noise leaves of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.ranking.repeatability import Repeatability, prompts_needed
from analysis.ranking.result import Ranking
from analysis.ranking.strict_rule import deviation_errors
from analysis.statistics.bounds import Interval
from analysis.statistics.shrinkage import Shrunken, shrink, spread_interval


@dataclass(frozen=True, eq=False)
class SeedQuality:
    """One metric of all seeds on both sets.

    Attributes:
        metric: The metric.
        seeds: The S seeds, ascending.
        first: Their values on set 1, with intervals.
        ranking: Their ranking.
        shrunken: Their set-2 values, drawn towards the population of seeds.
        spread: Standard deviation of the true effects.
    """

    metric: Metric
    seeds: tuple[int, ...]
    first: list[Interval]
    ranking: Ranking
    shrunken: Shrunken
    spread: Interval

    @classmethod
    def of(cls, metric: Metric, samples: Sequence[Sample], ranking: Ranking) -> "SeedQuality":
        """From samples of set 1 and set 2, and their ranking."""
        one, two = samples
        prepared = metric.prepare(two.only(metric.needs))
        errors = deviation_errors(metric, prepared, two)
        values = metric.values(prepared)
        first = metric.compute(one.only(metric.needs), one.groups)
        return cls(
            metric,
            two.seeds,
            first,
            ranking,
            shrink(values, errors),
            spread_interval(values, errors),
        )

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.metric.name} ({self.metric.unit})"

    def seed_rows(self) -> list[dict[str, Any]]:
        """Rows of all seeds, best on set 2 first."""
        place = {seed: i for i, seed in enumerate(self.seeds)}
        return [
            {
                "metric": self.metric.name,
                "seed": one.seed,
                "set1": self.first[place[one.seed]].value,
                "set1_low": self.first[place[one.seed]].low,
                "set1_high": self.first[place[one.seed]].high,
                "rank_set1": one.rank_set1,
                "set2": one.value,
                "set2_low": one.low,
                "set2_high": one.high,
                "rank_set2": one.rank_set2,
                "set2_at_infinity": one.at_infinity,
                "shrunken": float(self.shrunken.mean[place[one.seed]]),
                "shrunken_sd": float(self.shrunken.sd[place[one.seed]]),
                "p_better": one.p_better,
                "p_worse": one.p_worse,
            }
            for one in self.ranking.seeds
        ]

    def _mean_at_infinity(self) -> float | None:
        found = [one.at_infinity for one in self.ranking.seeds if one.at_infinity is not None]
        return float(np.mean(found)) if found else None

    def known(self) -> dict[str, Any]:
        """What a plan needs to say how many prompts any reliability takes."""
        return {
            "metric": self.metric.name,
            "per_image_mean": self.metric.per_image_mean,
            "full": self.ranking.reliability,
            "half": self.ranking.reliability_half,
        }

    def row(self, target: float) -> dict[str, Any]:
        """The metric's own row.

        Args:
            target: Reliability for which the number of prompts is asked.
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
            for name, part in parts.items()
            for end, value in (("", part.value), ("_low", part.low), ("_high", part.high))
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
        }
