"""`transfer`: whether the seeds that are good in one run are also good in another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.metrics import Metric
from analysis.statistics.arrays import Floats
from analysis.statistics.attenuation import Carried, carried, cross_correlation
from analysis.statistics.monte_carlo import p_value, p_words
from analysis.statistics.nulls import overlap_null
from analysis.statistics.reliability import top_with_ties
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.transfer.figures import correlations_figure, seeds_figure
from analysis.studies.transfer.wanted_recipes import other_ways
from analysis.study_tools.measured import (
    by_each,
    directed_metrics,
    identities,
    named_metrics,
    read_sets,
    refuse_unmeasured,
)
from analysis.study_tools.other_runs import differences, other_runs, refuse_other_noise
from analysis.study_tools.run_pairs import CROSS_COLUMNS, RunPair, only_prompts
from pipeline.errors import RunError
from pipeline.runs.run import Run

COLUMNS = {
    "other": "the other run, or the kind of prompts, that is compared",
    "differs": "settings in which it differs: this run's value > the other's",
    "metric": "name of the metric",
    "seeds": "seeds in both",
    "n": "images per seed in the smallest of the four sets",
    **CROSS_COLUMNS,
    "reliability": "rank correlation of this run's two sets",
    "reliability_other": "rank correlation of the other run's two sets",
    "corrected": "cross divided by the root of both reliabilities; not clipped",
    "corrected_low": "lower end of its interval, bootstrap of the whole ratio; null if impossible",
    "corrected_high": "upper end",
    "same": "rank correlation of equal sets; includes the interaction of seed and prompt, too high",
    "listed": "seeds in this run's top share on set 1",
    "again": "how many of them are in the other run's top share on set 2",
    "again_chance": "expected number if the two rankings are unrelated",
    "again_p": "probability of at least as many (hypergeometric)",
}
VALUE_COLUMNS = {
    "other": "the other run, or the kind of prompts, that is compared",
    "metric": "name of the metric",
    "seed": "the seed",
    "set1": "this run's value on set 1, in the metric's unit",
    "other_set2": "the other run's value on set 2",
}


@dataclass(frozen=True)
class Transfer(Study):
    """Whether good seeds stay good with another model, or with other sampling.

    Question: Are the seeds that are good here also good in other runs with the same noise: with
        another model, training step, scheduler, number of steps, guidance, intervention or kind of
        prompts?
    Method: The values per seed in both runs, and the rank correlation of set 1 of one run with set
        2 of the other. Different sets are compared because two runs of the same prompts share the
        interaction of seed and prompt. The correlation is also corrected for attenuation by the
        reliabilities of both runs, with a bootstrap of the whole ratio over seeds, not clipped. The
        study also counts how many seeds of this run's list are in the other run's list (those with
        the highest values, for a metric without a better direction). Both runs must have equal
        latents and noise.
    Null: No seed effect: in each prompt group, the images are permuted among the seeds, alike in
        both runs and both sets, so that what seeds do to single groups stays. For lists: two
        unrelated rankings (hypergeometric).
    n: Seeds that both runs have; images per seed in the smallest of the four sets.
    Source: Xu, Zhang and Shi 2024, arXiv:2405.14828, who compare prompts only. Correction for
        attenuation: Spearman 1904.

    Attributes:
        runs: Name -> folder of another run, relative to the current folder or to this run's; if
            empty, the other arms of this run's recipe.
        kinds: Name -> regular expression; the prompts of this run whose text it matches are
            compared with the others.
        metrics: Names of any metrics; if empty, those of the recipe for which one direction is
            better.
        share: Share of the seeds in a list.
        permutations: Draws of the null.
        draws: Bootstrap draws.
    """

    name: ClassVar[str] = "transfer"
    version: ClassVar[int] = 4

    runs: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    share: float = 0.25
    permutations: int = 200
    draws: int = 1000

    def find(self, run: Run) -> Findings:
        """Compare the run with every other run, by every metric."""
        metrics, others = self._metrics(run), other_runs(run, self.runs)
        if not (others or self.kinds):
            raise NotDrawnError(
                "0 other runs; this study needs at least 1: draw one and name it (--set "
                "'runs={steps5: runs/steps5}'), draw a recipe with `arms`, or name kinds of "
                "prompts (--set 'kinds={dark: dark}')",
                other_ways(run, metrics),
            )
        pairs, refused = by_each(
            metrics, lambda metric: self._pairs(run, metric, others), required=bool(self.metrics)
        )
        rows = [_row(pair, self, self.rng(run, pair.key)) for pair in pairs]
        values = pl.DataFrame([row for pair in pairs for row in _values(pair)])
        return Findings(
            outcome="rank correlation of set 1 of one run with set 2 of the other, both ways: "
            + "; ".join([*(_sentence(row, self.permutations) for row in rows), *refused]),
            numbers={"pairs": rows, "refused": refused},
            tables={
                "pairs": StudyTable(pl.DataFrame(rows), COLUMNS),
                "values": StudyTable(values, VALUE_COLUMNS),
            },
            figures={
                "transfer": correlations_figure(rows),
                "seeds": seeds_figure(values.to_dicts()),
            },
            recipes=other_ways(run, metrics),
            identities=identities(
                run, metrics=list({p.metric.name: p.metric for p in pairs}.values())
            )
            | {f"run {name}": other.run_id for name, other in others.items()},
        )

    def _metrics(self, run: Run) -> list[Metric]:
        """List the metrics by which runs are compared.

        Raises:
            RunError: If there is no such metric, or a named metric is not measured.
        """
        named = named_metrics(run, self.metrics)
        for metric in named:
            refuse_unmeasured(run, metric.needs)
        metrics = named or directed_metrics(run)
        if not metrics:
            raise RunError(
                f"the recipe's metrics are {', '.join(run.recipe.metrics) or 'none'}, and no "
                f"direction of them is better; this study needs a metric: add one to `metrics`, or "
                f"name any (--set 'metrics=[brightness]')"
            )
        return metrics

    def _pairs(self, run: Run, metric: Metric, others: Mapping[str, Run]) -> list[RunPair]:
        """All comparisons by one metric."""
        pairs = [self._pair(run, metric, *other) for other in others.items()]
        return [*pairs, *(self._kind(run, metric, *kind) for kind in self.kinds.items())]

    def _pair(self, run: Run, metric: Metric, name: str, other: Run) -> RunPair:
        """The comparison with another run."""
        refuse_other_noise(run, name, other)
        n = run.recipe.metric_prompts.get(metric.name)
        samples = [read_sets(run, metric.needs, n=n)]
        try:
            samples.append(read_sets(other, metric.needs, n=n))
        except RunError as error:
            raise RunError(f"run {name}: {error}") from error
        return RunPair.of(name, differences(run, other), metric, *samples)

    def _kind(self, run: Run, metric: Metric, name: str, pattern: str) -> RunPair:
        """The comparison of two kinds of prompts of this run."""
        samples = read_sets(run, metric.needs)
        kinds = [[only_prompts(s, pattern, wanted=w) for s in samples] for w in (False, True)]
        return RunPair.of(name, f"prompts with {pattern!r}", metric, *kinds)


def _row(pair: RunPair, study: Transfer, rng: np.random.Generator) -> dict[str, Any]:
    """The row of one comparison."""
    first, second = pair.of_sets(pair.first), pair.of_sets(pair.second)
    correlations = carried(first, second, rng, draws=study.draws)
    null = np.array([cross_correlation(*pair.null(rng)) for _ in range(study.permutations)])
    return {
        "other": pair.name,
        "differs": pair.differs,
        "metric": pair.metric.name,
        "seeds": len(pair.seeds),
        "n": pair.n,
        **_correlation_columns(correlations),
        "null_high": float(np.percentile(null, 95)),
        "p": p_value(null, correlations.cross.value, scale=1.0),
        **_again(first[0], second[1], study.share),
    }


def _again(first: Floats, second: Floats, share: float) -> dict[str, Any]:
    """How many seeds of this run's list are in the other run's, and what chance gives."""
    m = max(1, round(share * len(first)))
    lists = [set(top_with_ties(v, m, direction="higher").tolist()) for v in (first, second)]
    null = overlap_null(len(first), *map(len, lists))
    again = len(lists[0] & lists[1])
    return {
        "listed": len(lists[0]),
        "again": again,
        "again_chance": null.mean,
        "again_p": null.probability_at_least(again),
    }


def _values(pair: RunPair) -> list[dict[str, Any]]:
    """The rows of one comparison in the table "values"."""
    first, second = pair.metric.values(pair.first[0]), pair.metric.values(pair.second[1])
    return [
        dict(zip(VALUE_COLUMNS, (pair.name, pair.metric.name, *values), strict=True))
        for values in zip(pair.seeds, first.tolist(), second.tolist(), strict=True)
    ]


def _correlation_columns(carried_over: Carried) -> dict[str, float]:
    return {
        "cross": carried_over.cross.value,
        "cross_low": carried_over.cross.low,
        "cross_high": carried_over.cross.high,
        "null_high": np.nan,  # the caller fills it in; it is here for the order of the columns
        "p": np.nan,
        "reliability": carried_over.reliabilities[0],
        "reliability_other": carried_over.reliabilities[1],
        "corrected": carried_over.corrected.value,
        "corrected_low": carried_over.corrected.low,
        "corrected_high": carried_over.corrected.high,
        "same": carried_over.same,
    }


def _sentence(row: Mapping[str, Any], draws: int) -> str:
    corrected = (
        f"corrected {row['corrected']:z.2f} [{row['corrected_low']:z.2f}, "
        f"{row['corrected_high']:z.2f}]"
        if np.isfinite(row["corrected_low"])
        else "not corrected, because a reliability is too low"
    )
    return (
        f"{row['other']} by {row['metric']} ({row['seeds']:,} seeds, {row['n']:,} images each) "
        f"{row['cross']:z.2f} [{row['cross_low']:z.2f}, {row['cross_high']:z.2f}], without a seed "
        f"effect at most {row['null_high']:z.2f} ({p_words(row['p'], draws)}), {corrected}, "
        f"{row['again']} of {row['listed']} listed seeds are listed again, by chance "
        f"{row['again_chance']:z.1f}"
    )
