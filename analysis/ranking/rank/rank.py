"""Find the good and the bad seeds: chosen on prompt set 1 and confirmed on set 2.

The best of many noisy values is mostly luck, so the top quarter of set 1 is only a proposal. A
seed is listed if it is in the top quarter of set 2 as well, and a list stands only if it is
longer than with permuted owners: in each prompt group, images are assigned to seeds at random,
alike in both sets, and the whole rule is applied again. A list also needs a reliability above 0,
and no more ties than its share allows. No prompt group weighs more than a quarter. The values shown
are those of set 2, because those of set 1 made the choice.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample, read_each_set
from analysis.metrics import Metric, load_metric
from analysis.per_seed import group_refusal, metric_identity
from analysis.ranking.before_drawing import refuse_without_better_end
from analysis.ranking.belief import which_to_believe, why_withheld
from analysis.ranking.confirmation import (
    LEVEL,
    End,
    gap_beside_null,
    ranked_seeds,
    seed_list,
)
from analysis.ranking.groups import cap_groups, carried_words, carrying_groups
from analysis.ranking.judges import judge_chosen
from analysis.ranking.limits import floor_in_words, limit_in_words
from analysis.ranking.rank.permuted import permuted_draws
from analysis.ranking.repeatability import prompts_needed, repeatability
from analysis.ranking.result import Ranking, nothing_ranked, too_few_seeds
from analysis.ranking.strict_rule import deviation_errors, strict_golden
from analysis.statistics.arrays import Floats
from analysis.statistics.nulls import Direction
from analysis.statistics.reliability import rank_correlation
from analysis.statistics.rounding import rounded
from analysis.statistics.shrinkage import shrink
from pipeline.errors import ConfigError, RunError
from pipeline.runs.run import Run
from pipeline.settings.choices import LIST_SHARE

RULE = (
    "top share of set 1, confirmed on set 2, against owners permuted by prompt group, with a "
    "reliability above 0 and no group heavier than a quarter; version 2"
)
"""The rule of the lists. `analysis.ranking.result.STRICT_RULE` is the stricter rule."""
END_NAMES = ("Golden seeds", "Bad seeds")
PERMUTATIONS = 200
"""Permuted draws at least: the smallest p-value of a list is then 1 / 201."""
MEAN_PERMUTATIONS = 2000
"""Permuted draws of a mean of one number per image, which cost next to nothing."""


def rank(
    run: Run,
    *,
    metric: str | None = None,
    share: float | None = None,
    n: int | None = None,
    permutations: int | None = None,
) -> Ranking:
    """Rank the seeds of a run.

    Args:
        run: The run; the features of the metric must be extracted.
        metric: Name of the metric; the recipe's if None.
        share: Share of the seeds that a list holds before confirmation; the recipe's if None.
        n: Prompts of each set to use; if None, as many as the recipe says, or else all.
        permutations: Draws of the null, at least 200; if None, 2,000 for a mean of one number per
            image and 200 for a distance.

    Returns:
        The ranking. The same run always gives the same ranking, draws included.

    Raises:
        ConfigError: If no metric is given and the recipe ranks by none, if the metric has no better
            end or knows only another world than the run's model, or if there are too few
            permutations.
        RunError: If there are fewer than 8 seeds, or cells are missing: see `Cells.sample`.
    """
    ranking = run.recipe.ranking
    name = metric or (ranking.metric if ranking else "")
    if not name:
        raise ConfigError(nothing_ranked(run.recipe.name))
    ranked = load_metric(name, model=run.card)
    _refuse_settings(ranked, permutations)
    n = n or run.recipe.metric_prompts.get(name)
    sets = read_each_set(run, ranked.needs, sets=(1, 2))
    samples = [cells.sample(ranked.needs, n=n) for cells in sets]
    share = share or (ranking.share if ranking else LIST_SHARE)
    identity = ranking_identity(run, ranked)
    result = rank_samples(ranked, samples, identity, share=share, permutations=permutations)
    judged = judge_chosen(run, [ranked], result.chosen_on_set1)
    return dataclasses.replace(result, win_rates=judged.win_rates, judges_note=judged.words)


def ranking_identity(run: Run, metric: Metric) -> tuple[str, str, str]:
    """Return what identifies a ranking: run id, grid hash and metric identity."""
    return run.run_id, run.grid_hash, metric_identity(run, metric)


def _refuse_settings(metric: Metric, permutations: int | None) -> None:
    refuse_without_better_end(metric)
    if permutations is not None and permutations < PERMUTATIONS:
        raise ConfigError(f"{permutations} permutations; at least {PERMUTATIONS} are needed")


def rank_samples(
    metric: Metric,
    samples: Sequence[Sample],
    identity: tuple[str, str, str],
    *,
    share: float,
    permutations: int | None = None,
) -> Ranking:
    """Rank seeds by a metric on two samples of prompts. See `rank`.

    Args:
        metric: A metric with a better end.
        samples: Set 1, which chooses, and set 2, which confirms, of the same seeds.
        identity: From `ranking_identity`.
        share: Share of the seeds that a list holds before confirmation.
        permutations: Draws of the null, as for `rank`.
    """
    _refuse_samples(metric, samples)
    capped = [cap_groups(sample, number) for number, sample in enumerate(samples, start=1)]
    samples = [sample for sample, _ in capped]
    rng = np.random.default_rng([int(name, 16) for name in identity])
    prepared = [metric.prepare(sample.only(metric.needs)) for sample in samples]
    values = [_values(metric, arrays, number) for number, arrays in enumerate(prepared, start=1)]
    permutations = permutations or (MEAN_PERMUTATIONS if metric.per_image_mean else PERMUTATIONS)
    draws, list_draws = permuted_draws(metric, prepared, samples, values, permutations, rng)
    second = samples[1]
    intervals = metric.compute(second.only(metric.needs), second.groups)
    repeated = repeatability(metric, prepared, samples, rng)
    needed = prompts_needed(repeated, per_image_mean=metric.per_image_mean)
    best: Direction = "higher" if metric.higher_is_better else "lower"
    worst: Direction = "lower" if metric.higher_is_better else "higher"
    between = rank_correlation(*values)
    ends = [End(best, "top", share, needed.words), End(worst, "bottom", share, needed.words)]
    withheld = why_withheld(samples, repeated)
    golden, bad = (
        seed_list(
            second.seeds,
            values,
            list_draws,
            end,
            ties=end.too_many_ties(values, draws),
            withheld=withheld,
        )
        for end in ends
    )
    carried = [
        carried_words(name, carrying_groups(metric, prepared, samples, end.confirming(list_draws)))
        for name, end, listed in zip(END_NAMES, ends, (golden, bad), strict=True)
        if listed.confirmed
    ]
    low, high = np.percentile(draws.set2, [2.5, 97.5])
    floor_rng, limit_rng = rng.spawn(2)
    floor, floor_note = floor_in_words(metric, second.n, floor_rng)
    limit, limit_note = limit_in_words(metric, prepared[1], second, limit_rng)
    errors = deviation_errors(metric, prepared[1], second, repeated)
    strict = strict_golden(metric, prepared[1], second, rng, share=share, repeated=repeated)
    return Ranking(
        rule=RULE,
        run_id=identity[0],
        grid_hash=identity[1],
        metric=metric.name,
        metric_id=identity[2],
        unit=metric.unit,
        higher_is_better=bool(metric.higher_is_better),
        method=f"{metric.method}; {intervals[0].method}",
        share=share,
        n_seeds=len(second.seeds),
        n_set1=samples[0].n,
        n_set2=second.n,
        dropped=sum(len(sample.dropped) for sample in samples),
        permutations=permutations,
        rank_correlation=between,
        reliability=repeated.full,
        reliability_half=repeated.half,
        prompts_needed=needed.prompts,
        prompts_needed_note=needed.words,
        mean_set2=float(values[1].mean()),
        null_low=float(low),
        null_high=float(high),
        gap=gap_beside_null(values[1], draws.set2),
        golden=golden,
        bad=bad,
        strict_golden=() if golden.withheld else strict,
        seeds=ranked_seeds(
            second.seeds,
            values,
            intervals,
            draws.set2,
            best,
            shrink(values[1], errors).mean,
            limit.values if limit else None,
        ),
        floor=floor,
        floor_note=floor_note,
        at_infinity_n=limit.n if limit else (),
        at_infinity_note=limit_note,
        warnings=tuple(filter(None, [*(warning for _, warning in capped), *carried])),
        reliability_across_groups=repeated.across_groups,
        belief=which_to_believe(
            samples, repeated, between, [golden.null_p, bad.null_p], level=LEVEL
        ),
    )


def _values(metric: Metric, prepared: Sequence[Any], prompt_set: int) -> Floats:
    """Compute the value of each seed; values that differ by rounding errors alone are equal.

    Raises:
        RunError: If a value is not a finite number.
    """
    values = metric.values(prepared)
    if not np.isfinite(values).all():
        raise RunError(
            f"{metric.name} cannot rank, set {prompt_set}: its value is not a finite number for "
            f"{int((~np.isfinite(values)).sum())} of {len(values)} seeds; look for NaN in "
            f"{', '.join(metric.needs)}"
        )
    return rounded(values, scale=float(np.abs(values).max()))


def _refuse_samples(metric: Metric, samples: Sequence[Sample]) -> None:
    first, second = samples
    if first.seeds != second.seeds:
        raise RunError("the two prompt sets were drawn with different seeds; finish the run")
    if too_few_seeds(len(first.seeds)):
        raise RunError(f"{too_few_seeds(len(first.seeds))}; what was drawn and measured is kept")
    for number, sample in enumerate(samples, start=1):
        refusal = metric.refusal(sample.only(metric.needs)) or group_refusal(sample)
        if refusal:
            raise RunError(f"{metric.name} cannot rank, set {number} has {refusal}")
