"""`transfer`: whether the good seeds of one way of drawing are those of another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.metrics import Metric, load_metric
from analysis.pictures import plots
from analysis.statistics.arrays import Floats
from analysis.statistics.attenuation import Carried, carried, cross_correlation
from analysis.statistics.nulls import overlap_null
from analysis.statistics.reliability import top_with_ties
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.transfer.wanted_recipes import other_ways
from analysis.study_tools.measured import (
    by_each,
    directed_metrics,
    identities,
    read_sets,
    refuse_unmeasured,
)
from analysis.study_tools.other_runs import differences, other_runs, refuse_other_noise
from analysis.study_tools.run_pairs import RunPair, only_prompts
from pipeline.errors import RunError
from pipeline.runs.run import Run

COLUMNS = {
    "other": "what this run is compared with",
    "differs": "what it is drawn differently with: this run's setting > the other's",
    "metric": "name of the metric",
    "seeds": "seeds in both",
    "n": "images per seed in the smallest of the four sets",
    "cross": "rank correlation of one's set 1 with the other's set 2, both ways: the result",
    "cross_low": "lower end of its 95 % interval, seeds resampled",
    "cross_high": "upper end",
    "null_high": "95th percentile of it with permuted owners in the other",
    "p": "share of permuted draws with at least as high a correlation",
    "reliability": "rank correlation of this run's two sets",
    "reliability_other": "the same of the other",
    "corrected": "cross over the root of both reliabilities: with endless prompts; not clipped",
    "corrected_low": "lower end of its interval, the whole ratio resampled; null: none can be had",
    "corrected_high": "upper end",
    "same": "rank correlation of equal sets; holds what seed and prompt do together: optimistic",
    "listed": "seeds in this run's top share on set 1",
    "again": "how many of them are in the other's top share on set 2",
    "again_chance": "how many of them two unrelated rankings would share",
    "again_p": "probability of at least as many (hypergeometric)",
}
VALUE_COLUMNS = {
    "other": "what this run is compared with",
    "metric": "name of the metric",
    "seed": "the seed",
    "set1": "this run's value on set 1, in the metric's unit",
    "other_set2": "the other's value on set 2",
}


@dataclass(frozen=True)
class Transfer(Study):
    """Whether what makes a seed good holds for another model, or another way of drawing.

    Question: Are the seeds that are good here also good in other runs of the same noise: another
        model, training step, scheduler, number of steps, guidance, intervention, kind of prompts?
    Method: Per-seed values of both; rank correlation of one's set 1 with the other's set 2, for
        runs of the same prompts share what seed and prompt do together. Beside it, corrected for
        the reliability of both, the whole ratio resampled over seeds and not clipped; and how
        many seeds of this run's list (the highest values, by a metric without a better end) are
        in the other's. Only for equal latents and noise.
    Null: within each prompt of the other it is permuted which seed owns which image; for lists,
        two unrelated rankings (hypergeometric).
    n: seeds that both have; images per seed in the smallest of the four sets.
    Source: Xu, Zhang and Shi 2024, arXiv:2405.14828, ask it of prompts only. Correction: Spearman
        1904.

    Attributes:
        runs: Name -> folder of another run, from here or from this run's folder; the other arms
            of this run's recipe if empty.
        kinds: Name -> regular expression: prompts of this run in whose text it is found, against
            those in which it is not.
        metrics: Names of metrics, any; those of the recipe that have a better end if empty.
        share: Share of the seeds in a list.
        permutations: Draws of the null.
        draws: Bootstrap draws.
    """

    name: ClassVar[str] = "transfer"
    version: ClassVar[int] = 3

    runs: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    share: float = 0.25
    permutations: int = 200
    draws: int = 1000

    def find(self, run: Run) -> Findings:
        """Compare with every other run, by every metric."""
        chosen, others = self._chosen(run), other_runs(run, self.runs)
        if not (others or self.kinds):
            raise NotDrawnError(
                "0 other runs; this study needs at least 1: draw one and name it (--set "
                "'runs={steps5: runs/steps5}'), draw a recipe with `arms`, or name kinds of "
                "prompts (--set 'kinds={dark: dark}')",
                other_ways(run, chosen),
            )
        pairs, refused = by_each(
            chosen, lambda metric: self._pairs(run, metric, others), required=bool(self.metrics)
        )
        rows = [_row(pair, self, self.rng(run, pair.key)) for pair in pairs]
        values = pl.DataFrame([row for pair in pairs for row in _values(pair)])
        return Findings(
            outcome="rank correlation of set 1 here with set 2 there, both ways: "
            + "; ".join([*map(_sentence, rows), *refused]),
            numbers={"pairs": rows, "refused": refused},
            tables={
                "pairs": StudyTable(pl.DataFrame(rows), COLUMNS),
                "values": StudyTable(values, VALUE_COLUMNS),
            },
            figures={"transfer": _figure(rows), "seeds": _seeds_figure(pairs)},
            recipes=other_ways(run, chosen),
            identities=identities(
                run, metrics=list({p.metric.name: p.metric for p in pairs}.values())
            )
            | {f"run {name}": other.run_id for name, other in others.items()},
        )

    def _chosen(self, run: Run) -> list[Metric]:
        """The metrics to compare by.

        Raises:
            RunError: If there is none, or one that was named is not measured.
        """
        named = [load_metric(name) for name in self.metrics]
        for metric in named:
            refuse_unmeasured(run, metric.needs)
        if not (chosen := named or directed_metrics(run)):
            raise RunError(
                f"the recipe's metrics are {', '.join(run.recipe.metrics) or 'none'}, and none has "
                f"a better end; this study needs one: add it to `metrics`, or name any (--set "
                f"'metrics=[brightness]')"
            )
        return chosen

    def _pairs(self, run: Run, metric: Metric, others: Mapping[str, Run]) -> list[RunPair]:
        """Every comparison by one metric."""
        pairs = [self._pair(run, metric, *other) for other in others.items()]
        return [*pairs, *(self._kind(run, metric, *kind) for kind in self.kinds.items())]

    def _pair(self, run: Run, metric: Metric, name: str, other: Run) -> RunPair:
        refuse_other_noise(run, name, other)
        n = run.recipe.metric_prompts.get(metric.name)
        samples = [read_sets(run, metric.needs, n=n)]
        try:
            samples.append(read_sets(other, metric.needs, n=n))
        except RunError as error:
            raise RunError(f"run {name}: {error}") from error
        return RunPair.of(name, differences(run, other), metric, *samples)

    def _kind(self, run: Run, metric: Metric, name: str, pattern: str) -> RunPair:
        samples = read_sets(run, metric.needs)
        found = [[only_prompts(s, pattern, wanted=w) for s in samples] for w in (False, True)]
        return RunPair.of(name, f"prompts with {pattern!r}", metric, *found)


def _row(pair: RunPair, study: Transfer, rng: np.random.Generator) -> dict[str, Any]:
    first, second = pair.of_sets(pair.first), pair.of_sets(pair.second)
    found = carried(first, second, rng, draws=study.draws)
    null = np.array([cross_correlation(first, pair.null(rng)) for _ in range(study.permutations)])
    return {
        "other": pair.name,
        "differs": pair.differs,
        "metric": pair.metric.name,
        "seeds": len(pair.seeds),
        "n": pair.n,
        **_bounds(found),
        "null_high": float(np.percentile(null, 95)),
        "p": float(((null >= found.cross.value).sum() + 1) / (len(null) + 1)),
        **_again(first[0], second[1], study.share),
    }


def _again(first: Floats, second: Floats, share: float) -> dict[str, Any]:
    """How many seeds of one list are in the other."""
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
    one, two = pair.metric.values(pair.first[0]), pair.metric.values(pair.second[1])
    return [
        dict(zip(VALUE_COLUMNS, (pair.name, pair.metric.name, *each), strict=True))
        for each in zip(pair.seeds, one.tolist(), two.tolist(), strict=True)
    ]


def _bounds(found: Carried) -> dict[str, float]:
    return {
        "cross": found.cross.value,
        "cross_low": found.cross.low,
        "cross_high": found.cross.high,
        "null_high": np.nan,  # filled in by the caller; here for the order of the columns
        "p": np.nan,
        "reliability": found.reliabilities[0],
        "reliability_other": found.reliabilities[1],
        "corrected": found.corrected.value,
        "corrected_low": found.corrected.low,
        "corrected_high": found.corrected.high,
        "same": found.same,
    }


def _sentence(row: Mapping[str, Any]) -> str:
    corrected = (
        f"corrected {row['corrected']:.2f} [{row['corrected_low']:.2f}, "
        f"{row['corrected_high']:.2f}]"
        if np.isfinite(row["corrected_low"])
        else "not to be corrected: no reliability"
    )
    return (
        f"{row['other']} by {row['metric']} ({row['seeds']:,} seeds, {row['n']:,} images each) "
        f"{row['cross']:.2f} [{row['cross_low']:.2f}, {row['cross_high']:.2f}], permuted owners "
        f"below {row['null_high']:.2f} (p = {row['p']:.2g}), {corrected}, {row['again']} of "
        f"{row['listed']} listed again, unrelated {row['again_chance']:.1f}"
    )


def _figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A panel for every metric, a line for every comparison."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))

    def draw(axes: Any, metric: str) -> None:  # noqa: ANN401 - matplotlib's
        own = [row for row in rows if row["metric"] == metric]
        lines = np.arange(len(own))
        labels = [row["other"] for row in own]
        plots.intervals(axes, labels, *(_column(own, f"cross{end}") for end in ENDS))
        known = np.isfinite(_column(own, "corrected_low"))  # a value without interval says nothing
        corrected = np.where(known, _column(own, "corrected"), np.nan)
        plots.scatter(axes, corrected, lines, colours=plots.GOOD)
        plots.scatter(axes, _column(own, "null_high"), lines, colours=plots.BAD)
        axes.set_title(metric, fontsize=9)
        axes.set_xlabel("gold: corrected, red: 95 % of the null", fontsize=8)

    most = max(sum(row["metric"] == metric for row in rows) for metric in metrics)
    return plots.panel_each(metrics, draw, width=4.2, height=1.4 + 0.3 * most)


def _seeds_figure(pairs: Sequence[RunPair]) -> bytes:
    """Every comparison by the first metric, a point for every seed."""

    def draw(axes: Any, pair: RunPair) -> None:  # noqa: ANN401 - matplotlib's
        plots.scatter(axes, *map(pair.metric.values, (pair.first[0], pair.second[1])))
        axes.set_xlabel(f"{pair.metric.name}, here, set 1", fontsize=8)
        axes.set_ylabel(f"{pair.name}, set 2", fontsize=8)

    shown = [pair for pair in pairs if pair.metric.name == pairs[0].metric.name]
    return plots.panel_each(shown, draw, width=3.4, height=3.2)


ENDS = ("", "_low", "_high")


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array([row[name] for row in rows], dtype=np.float64)
