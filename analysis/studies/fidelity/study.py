"""`fidelity`: what golden seeds gain over random ones on prompts that had no part in the choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.metrics import Metric
from analysis.pictures import plots
from analysis.ranking.confirmation import p_value
from analysis.ranking.joint_rule import Judged, judge, top_by_all
from analysis.statistics.arrays import Floats
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.fidelity.seed_pools import assigned, pool_rows, pool_values, product_figures
from analysis.study_tools.farthest_seeds import STYLES
from analysis.study_tools.measured import (
    REPORTING_SET,
    distance_and_preference,
    identities,
    measured_feature,
    read_sets,
    require,
)
from analysis.study_tools.other_runs import other_run
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 8, 4
POOLS = (1, 4, 16, 65, 256)
THIS, OTHER = "this run", "other kind"

TABLE_COLUMNS = {
    "prompts": "which prompts: of this run, or of the other kind",
    "metric": "name of the metric",
    "higher_is_better": "direction",
    "golden": "value of the golden seeds, each prompt drawn by one of them at random",
    "random": "mean over random sets of as many seeds under the same assignment",
    "random_low": "2.5 % point over random sets",
    "random_high": "97.5 % point",
    "p": "share of the random sets at least as good",
    "fresh": "mean over draws of a fresh random seed per prompt",
    "fresh_low": "2.5 % point over draws",
    "fresh_high": "97.5 % point",
    "seeds": "golden seeds",
    "n": "prompts of set 3, one image each",
    "reference": "images that a distance compares with, whatever the prompts; null: a score",
}
POOL_COLUMNS = {
    "seeds": "size of the pool: the best so many by mean rank on sets 1 and 2",
    "preference": "mean preference over set 3",
    "preference_low": "lower end of its 95 % interval",
    "preference_high": "upper end",
    "distance": "distance on set 3, mean over random assignments of the pool's seeds",
    "distance_random": "the same of random pools of this size, mean",
    "distance_random_sd": "its standard deviation over pools",
    "n": "prompts of set 3",
    "similarity": "mean cosine similarity of a prompt's images by different seeds of the pool",
    "similarity_random": "the same of random pools of this size",
}


@dataclass(frozen=True)
class Fidelity(Study):
    """What the golden seeds gain on prompts that had no part in their choice.

    Question: Are pictures by golden seeds better than by random seeds, by how much against the
        best of four random ones, and what does a small pool of seeds cost in diversity?
    Method: Golden is who is in the top share on sets 1 and 2, see `rule`. On set 3 every prompt
        is drawn by one golden seed at random; the value stands against `sets` random sets of as
        many seeds under the same assignment (a pool of seeds is broader than its members) and
        against a fresh random seed per prompt. Win rate: share of (prompt, golden seed, other
        seed) in which the golden one's preference is higher, interval by prompt groups. The gain
        as a share of what the best of four random seeds gains, interval by jackknife over prompt
        groups of the whole ratio.
    Null: The random sets: p is the share of them that are at least as good.
    n: Prompts of set 3, one image each; a second kind of prompts is a run of its own (`other`),
        which a Frechet distance does not judge: there are no real pictures of those prompts, and
        its bias hangs on them. A kernel distance and scores do.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, Table 1
        (10,000 further prompts of COCO, and PartiPrompts; golden against random seeds).

    Attributes:
        distance: Metric where lower is better; the recipe's first such if empty.
        preference: Mean of a score per image; the recipe's first with a higher better end.
        rule: Golden is who is in the top share by `both`, as in the paper, or by `preference`
            alone: the list of `goldenseed rank` by that metric and share, where it is confirmed.
        share: Share of the seeds that is the top of one metric.
        sets: Random sets.
        other: Folder of a run of the same model and seeds on another kind of prompts, from here or
            from this run's folder.
        other_prompts: Name of that kind in the recipe that is named where there is no such run;
            PartiPrompts if empty, or of the small world's two files the other one.
    """

    name: ClassVar[str] = "fidelity"
    version: ClassVar[int] = 3

    distance: str = ""
    preference: str = ""
    rule: Literal["both", "preference"] = "both"
    share: float = 0.25
    sets: int = 1000
    other: str = ""
    other_prompts: str = ""

    def find(self, run: Run) -> Findings:
        """Judge the list on set 3 of one or two kinds of prompts."""
        metrics = distance_and_preference(run, self.distance, self.preference)
        companies = [judge(run, metrics, number) for number in (1, 2)]
        require(len(companies[0][0].sample.seeds), LEAST_SEEDS, "seeds")
        ruling = [one if self.rule == "both" else one[-1:] for one in companies]
        golden = self._golden(ruling)
        kinds = {THIS: (run, metrics)}
        if self.other:
            fitting = [metric for metric in metrics if metric.judges_any_prompts]
            kinds[OTHER] = (_same_model(run, other_run(run, self.other)), fitting)
        rows: list[dict[str, Any]] = []
        product: dict[str, Any] = {}
        nulls: dict[str, tuple[Floats, float]] = {}
        for kind, (where, fitting) in kinds.items():
            company = _judge_last(where, fitting, companies)
            for one in company:
                row, null = self._against_random(run, kind, one, golden)
                rows.append(row)
                nulls[f"{one.metric.name}, {kind}"] = (null, row["golden"])
            product[kind] = product_figures(company[-1], golden)
        last = _judge_last(run, metrics, companies)
        pools = self._pools(run, ruling, last)
        seeds = [companies[0][0].sample.seeds[place] for place in golden]
        return Findings(
            outcome="; ".join([_sentence(rows, product, len(golden)), *self._left_out(metrics)]),
            numbers={"golden": seeds, "table": rows, "preference": product, "pools": pools},
            tables={
                "table1": StudyTable(pl.DataFrame(rows, infer_schema_length=None), TABLE_COLUMNS),
                "pools": StudyTable(pl.DataFrame(pools, infer_schema_length=None), POOL_COLUMNS),
            },
            figures={"random_sets": _random_figure(nulls), "pools": _pool_figure(pools)},
            recipes={} if self.other else {"other_prompts": self._other_recipe(run)},
            identities=identities(run, metrics=metrics),
        )

    def _left_out(self, metrics: Sequence[Metric]) -> list[str]:
        """Say which metrics do not judge the other kind of prompts."""
        return [
            f"{metric.name} is left out on the other kind of prompts, of which it has no reference"
            for metric in metrics
            if self.other and not metric.judges_any_prompts
        ]

    def _golden(self, ruling: Sequence[Sequence[Judged]]) -> list[int]:
        """Places of the seeds that are listed on both sets.

        Raises:
            RunError: If there is none.
        """
        found = frozenset.intersection(*(top_by_all(one, self.share) for one in ruling))
        if not found:
            raise RunError(
                f"0 seeds are in the top {self.share:.0%} by {self.rule} on sets 1 and 2; this "
                f"study needs at least 1: see `goldenseed study golden` and `goldenseed rank`, or "
                f"draw more prompts"
            )
        return sorted(found)

    def _against_random(
        self, run: Run, kind: str, one: Judged, golden: Sequence[int]
    ) -> tuple[dict[str, Any], Floats]:
        """One metric of the golden seeds beside random sets and fresh seeds."""
        metric, rng = one.metric, self.rng(run, f"{kind} {one.metric.name}")
        seeds, k = len(one.sample.seeds), len(golden)
        turns = rng.integers(k, size=one.sample.n)
        sets = np.array([rng.permutation(seeds)[:k] for _ in range(self.sets)])
        mine = pool_values(metric, one.prepared, assigned(np.array([golden]), turns))[0]
        null = pool_values(metric, one.prepared, assigned(sets, turns))
        owners = rng.integers(seeds, size=(self.sets, one.sample.n))
        fresh = pool_values(metric, one.prepared, owners)
        sign = 1.0 if one.best == "higher" else -1.0
        low, high = np.percentile(null, [2.5, 97.5])
        fresh_low, fresh_high = np.percentile(fresh, [2.5, 97.5])
        row = {
            "prompts": kind,
            "metric": one.metric.name,
            "higher_is_better": one.best == "higher",
            "golden": float(mine),
            "random": float(null.mean()),
            "random_low": float(low),
            "random_high": float(high),
            "p": p_value(sign * null, sign * float(mine)),
            "fresh": float(fresh.mean()),
            "fresh_low": float(fresh_low),
            "fresh_high": float(fresh_high),
            "seeds": k,
            "n": one.sample.n,
            "reference": metric.reference_n,
        }
        return row, null

    def _pools(
        self, run: Run, companies: Sequence[Sequence[Judged]], last: Sequence[Judged]
    ) -> list[dict[str, Any]]:
        """Quality and diversity of the best 1, 4, 16 ... seeds."""
        ranks = np.mean([one.ranks for company in companies for one in company], axis=0)
        order = np.argsort(ranks, kind="stable")
        sizes = [size for size in POOLS if size < len(order)] + [len(order)]
        pools = [order[:size] for size in sizes]
        return pool_rows(last, pools, _style_images(run), self.rng(run, "pools"))

    def _other_recipe(self, run: Run) -> str:
        """The recipe of the same model and seeds on another kind of prompts."""
        world = "synthetic" if run.recipe.prompts.source == "seedling" else "seedling"
        source = world if run.card.demonstration else "PartiPrompts.tsv"
        return recipe_like(
            run,
            {"prompts": {"source": self.other_prompts or source}},
            note="The same model and seeds on another kind of prompts. Then:\n"
            "  goldenseed study fidelity RUN --set other=THIS_RUN",
        )


def _same_model(run: Run, other: Run) -> Run:
    if (other.run_id, sorted(other.seeds)) != (run.run_id, sorted(run.seeds)):
        raise RunError(
            f"{other.root} is run {other.run_id} with {len(other.seeds)} seeds; this study needs "
            f"run {run.run_id} with the same {len(run.seeds)} seeds on other prompts"
        )
    return other


def _judge_last(
    run: Run, metrics: Sequence[Metric], companies: Sequence[Sequence[Judged]]
) -> list[Judged]:
    """The metrics on set 3, all its prompts."""
    try:
        company = judge(run, metrics, REPORTING_SET)
    except RunError as error:
        raise RunError(f"set {REPORTING_SET} is needed: {error}") from error
    for one in company:
        groups = len(set(one.sample.groups.tolist()))
        require(groups, LEAST_GROUPS, f"prompt groups for {one.metric.name} in set {REPORTING_SET}")
    if company[0].sample.seeds != companies[0][0].sample.seeds:
        raise RunError(f"{run.root} has other seeds in set 3; the same ones are needed")
    return company


def _style_images(run: Run) -> NDArray[np.floating] | None:
    """Style vectors of set 3, shape (S, P, d); None where the recipe measures none."""
    try:
        need = f"{measured_feature(run, STYLES)}.style"
        (sample,) = read_sets(run, [need], sets=(REPORTING_SET,))
    except RunError:
        return None
    return np.asarray(sample.columns[need])


def _sentence(rows: Sequence[dict[str, Any]], product: dict[str, Any], k: int) -> str:
    parts = [
        f"{row['metric']} {row['golden']:.4g} on {row['n']} prompts of set 3 ({row['prompts']}), "
        f"random sets of {k} {row['random']:.4g} [{row['random_low']:.4g}, "
        f"{row['random_high']:.4g}], p = {row['p']:.2g}, fresh seeds {row['fresh']:.4g}"
        for row in rows
    ]
    parts += [
        f"win rate {one['win_rate'].value:.1%} [{one['win_rate'].low:.1%}, "
        f"{one['win_rate'].high:.1%}] and {one['share_of_best_of_four'].value:.0%} "
        f"[{one['share_of_best_of_four'].low:.0%}, {one['share_of_best_of_four'].high:.0%}] of "
        f"what the best of four random seeds gains ({kind})"
        for kind, one in product.items()
    ]
    return f"{k} golden seeds: {'; '.join(parts)}"


def _random_figure(nulls: dict[str, tuple[Floats, float]]) -> bytes:
    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, (name, found) in zip(
            plots.panels(figure, 1, len(nulls)), nulls.items(), strict=True
        ):
            plots.against_null(axes, *found, name=name, null_name="random sets")

    return plots.figure_png(draw, width=4.4 * len(nulls), height=3.6)


def _pool_figure(pools: Sequence[dict[str, Any]]) -> bytes:
    lines = ("preference", "distance", "similarity")

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        sizes = [row["seeds"] for row in pools]
        for axes, name in zip(plots.panels(figure, 1, 3), lines, strict=True):
            values = [np.nan if row[name] is None else row[name] for row in pools]
            axes.plot(sizes, values, marker="o", color=plots.GOOD, label="best seeds")
            if name != "preference":
                null = [row[f"{name}_random"] for row in pools]
                shown = [np.nan if value is None else value for value in null]
                axes.plot(sizes, shown, marker="o", color=plots.QUIET, label="random seeds")
            axes.set(xscale="log", xlabel="seeds in the pool", title=name)
            axes.legend(fontsize=8, frameon=False)

    return plots.figure_png(draw, width=11, height=3.6)
