"""`fidelity`: what golden seeds gain over random seeds, on prompts not used to choose them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.metrics import Metric
from analysis.ranking.joint_rule import Judged, judge, top_by_all
from analysis.ranking.judges import JudgedSeeds, judge_chosen
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.fidelity.assignments import Assignments
from analysis.studies.fidelity.doubts import group_warnings, not_repeatable
from analysis.studies.fidelity.figures import pools_figure, random_sets_figure
from analysis.studies.fidelity.random_sets import TABLE_COLUMNS, against_random, words
from analysis.studies.fidelity.seed_pools import pool_rows, preference_gains
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

POOL_COLUMNS = {
    "seeds": "size of the pool: the best seeds by mean rank on sets 1 and 2",
    "preference": "mean preference over set 3",
    "preference_low": "lower end of its 95 % interval",
    "preference_high": "upper end",
    "distance": "distance on set 3, average over assignments of the pool's seeds to prompts",
    "distance_error": "standard error of the average over assignments; 0 if all are averaged",
    "distance_random": "mean distance of random pools of this size",
    "distance_random_sd": "its standard deviation over pools",
    "n": "prompts of set 3",
    "similarity": "mean cosine similarity of a prompt's images by different seeds of the pool",
    "similarity_random": "mean similarity for random pools of this size",
}


@dataclass(frozen=True)
class Fidelity(Study):
    """What golden seeds gain on prompts that were not used to choose them.

    Question: Are the images of golden seeds better than those of random seeds, how does the gain
        compare with choosing the best of four random images, and what does a small pool of seeds
        cost in diversity?
    Method: A seed is golden if it is in the top share on sets 1 and 2, see `rule`. On set 3, each
        prompt gets the image of one golden seed, drawn at random. The value of these images,
        averaged over all such assignments (for a metric that does not know that average, over
        20), is compared with the same average of `sets` random sets of as many seeds (because the
        images of a pool are more diverse than those of each of its seeds), and with one fresh
        random seed per prompt. The win rate is the share of (prompt, golden seed, other
        seed) in which the golden seed's preference is higher, with an interval over prompt
        groups; it is also given by a score that did not choose, if the run measures one. The gain
        is also given as a share of what the best of four random seeds gains; the interval is a
        jackknife of the whole ratio over prompt groups.
    Null: The random sets; p is the share of them that are at least as good.
    n: Prompts of set 3, one image each. A second kind of prompts is a run of its own (`other`). A
        Frechet distance is left out there, because there are no real images of those prompts and
        its bias depends on them; kernel distances and scores are reported.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, Table 1
        (10,000 further prompts of COCO, and PartiPrompts; golden against random seeds).

    Attributes:
        distance: Metric where lower is better; if empty, the first such metric of the recipe.
        preference: Mean of a score per image; if empty, the recipe's first metric where higher is
            better.
        rule: Whether golden seeds are in the top share by `both` metrics, as in the paper, or by
            `preference` alone: then the list is that of `goldenseed rank` with that metric and
            share, if it is confirmed.
        share: Share of the seeds that counts as the top of one metric.
        sets: Random sets.
        other: Folder of a run of the same model and seeds on another kind of prompts, relative to
            the current folder or to this run's.
        other_prompts: Prompts of the recipe that this study writes for such a run; if empty,
            PartiPrompts, or the other of the seedling's two prompt files.
    """

    name: ClassVar[str] = "fidelity"
    version: ClassVar[int] = 4

    distance: str = ""
    preference: str = ""
    rule: Literal["both", "preference"] = "both"
    share: float = 0.25
    sets: int = 2000
    other: str = ""
    other_prompts: str = ""

    def find(self, run: Run) -> Findings:
        """Evaluate the golden seeds on set 3 of one or two kinds of prompts."""
        metrics = distance_and_preference(run, self.distance, self.preference)
        sets = [judge(run, metrics, number) for number in (1, 2)]
        seeds = sets[0][0].sample.seeds
        require(len(seeds), LEAST_SEEDS, "seeds")
        deciding = [judged if self.rule == "both" else judged[-1:] for judged in sets]
        golden = self._golden(deciding)
        rows: list[dict[str, Any]] = []
        gains: dict[str, Any] = {}
        judged_by: dict[str, JudgedSeeds] = {}
        drawn: dict[str, list[Assignments]] = {}
        for kind, (source, fitting) in self._kinds(run, metrics).items():
            last = _judge_last(source, fitting, seeds)
            drawn[kind] = []
            for judged in last:
                rng = self.rng(run, f"{kind} {judged.metric.name}")
                drawn[kind].append(Assignments(judged, int(rng.integers(2**31))))
                rows.append(against_random(kind, drawn[kind][-1], golden, self.sets, rng))
            gains[kind] = preference_gains(last[-1], golden)
            choosers, chosen = [each.metric for each in deciding[0]], [seeds[i] for i in golden]
            judged_by[kind] = judge_chosen(source, choosers, chosen, prompt_set=REPORTING_SET)
        pools = self._pools(run, deciding, drawn[THIS])
        last_judged = [each.judged for assigned in drawn.values() for each in assigned]
        golden_seeds = [seeds[index] for index in golden]
        return Findings(
            outcome="; ".join(
                [
                    _sentence(rows, gains),
                    *(f"{kind}: {by.words.rstrip('.')}" for kind, by in judged_by.items()),
                    *self._left_out(metrics),
                    *group_warnings([*(e for each in deciding for e in each), *last_judged]),
                    *not_repeatable(deciding, self.rng(run, "reliability")),
                ]
            ),
            numbers={
                "golden": golden_seeds,
                "table": rows,
                "preference": gains,
                "judges": judged_by,
                "pools": pools,
            },
            tables={
                "table1": StudyTable(pl.DataFrame(rows, infer_schema_length=None), TABLE_COLUMNS),
                "pools": StudyTable(pl.DataFrame(pools, infer_schema_length=None), POOL_COLUMNS),
            },
            figures={"random_sets": random_sets_figure(rows), "pools": pools_figure(pools)},
            recipes={} if self.other else {"other_prompts": self._other_recipe(run)},
            identities=identities(run, metrics=metrics),
        )

    def _kinds(
        self, run: Run, metrics: Sequence[Metric]
    ) -> dict[str, tuple[Run, Sequence[Metric]]]:
        """Kind of prompts -> the run that drew them, and the metrics that judge them."""
        kinds: dict[str, tuple[Run, Sequence[Metric]]] = {THIS: (run, metrics)}
        if self.other:
            fitting = [metric for metric in metrics if metric.judges_any_prompts]
            kinds[OTHER] = (_same_model(run, other_run(run, self.other)), fitting)
        return kinds

    def _left_out(self, metrics: Sequence[Metric]) -> list[str]:
        """Say which metrics do not judge the other kind of prompts."""
        return [
            f"{metric.name} is left out on the other kind of prompts, because it has no reference "
            f"for them"
            for metric in metrics
            if self.other and not metric.judges_any_prompts
        ]

    def _golden(self, sets: Sequence[Sequence[Judged]]) -> list[int]:
        """Find the indices of the seeds that are in the top share on both sets.

        Raises:
            RunError: If no seed is.
        """
        golden = frozenset.intersection(*(top_by_all(judged, self.share) for judged in sets))
        if not golden:
            raise RunError(
                f"0 seeds are in the top {self.share:.0%} by {self.rule} on sets 1 and 2; this "
                f"study needs at least 1: see `goldenseed study golden` and `goldenseed rank`, or "
                f"draw more prompts"
            )
        return sorted(golden)

    def _pools(
        self, run: Run, sets: Sequence[Sequence[Judged]], last: Sequence[Assignments]
    ) -> list[dict[str, Any]]:
        """Quality and diversity of the best 1, 4, 16 ... seeds."""
        ranks = np.mean([judged.ranks for metrics in sets for judged in metrics], axis=0)
        order = np.argsort(ranks, kind="stable")
        sizes = [size for size in POOLS if size < len(order)] + [len(order)]
        pools = [order[:size] for size in sizes]
        images, rng = _style_images(run), self.rng(run, "pools")
        return pool_rows(last[0], last[1].judged, pools, images, rng)

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
    """The other run, if it has the same settings and seeds."""
    if (other.run_id, sorted(other.seeds)) != (run.run_id, sorted(run.seeds)):
        raise RunError(
            f"{other.root} is run {other.run_id} with {len(other.seeds)} seeds; this study needs "
            f"run {run.run_id} with the same {len(run.seeds)} seeds on other prompts"
        )
    return other


def _judge_last(run: Run, metrics: Sequence[Metric], seeds: Sequence[int]) -> list[Judged]:
    """The metrics on set 3, with the same seeds."""
    try:
        last = judge(run, metrics, REPORTING_SET)
    except RunError as error:
        raise RunError(f"set {REPORTING_SET} is needed: {error}") from error
    for judged in last:
        groups, name = len(set(judged.sample.groups.tolist())), judged.metric.name
        require(groups, LEAST_GROUPS, f"prompt groups for {name} in set {REPORTING_SET}")
    if last[0].sample.seeds != seeds:
        raise RunError(f"{run.root} has other seeds in set 3; the same seeds are needed")
    return last


def _style_images(run: Run) -> NDArray[np.floating] | None:
    """Style vectors of set 3, shape (S, P, d); None if the recipe measures none."""
    try:
        need = f"{measured_feature(run, STYLES)}.style"
        (sample,) = read_sets(run, [need], sets=(REPORTING_SET,))
    except RunError:
        return None
    return np.asarray(sample.columns[need])


def _sentence(rows: Sequence[dict[str, Any]], gains: dict[str, Any]) -> str:
    parts = [words(row) for row in rows]
    parts += [
        f"win rate {gain['win_rate'].value:.1%} [{gain['win_rate'].low:.1%}, "
        f"{gain['win_rate'].high:.1%}] and {gain['share_of_best_of_four'].value:.0%} "
        f"[{gain['share_of_best_of_four'].low:.0%}, {gain['share_of_best_of_four'].high:.0%}] of "
        f"the gain of the best of four random seeds ({kind})"
        for kind, gain in gains.items()
    ]
    return f"{rows[0]['seeds']} golden seeds: {'; '.join(parts)}"
