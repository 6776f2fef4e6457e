"""Find the good and the bad seeds: chosen on prompt set 1 and confirmed on set 2.

The best of many noisy values is mostly luck, so the top quarter of set 1 is only a proposal. A
seed is listed if it is in the top quarter of set 2 as well, and a list stands only if it is
longer than with permuted owners: in each prompt group, images are assigned to seeds at random,
alike in both sets, and the whole rule is applied again. The values shown are those of set 2,
because those of set 1 made the choice.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample, read_cells
from analysis.metrics import Metric, load_metric
from analysis.per_seed import group_refusal, metric_identity
from analysis.ranking.before_drawing import refuse_without_better_end
from analysis.ranking.confirmation import Draws, End, gap_beside_null, ranked_seeds, seed_list
from analysis.ranking.repeatability import prompts_needed, repeatability
from analysis.ranking.result import Ranking, nothing_ranked, too_few_seeds
from analysis.ranking.strict_rule import strict_golden
from analysis.statistics.arrays import Floats
from analysis.statistics.extrapolation import AtInfinity
from analysis.statistics.floors import NoiseFloor
from analysis.statistics.nulls import Direction
from analysis.statistics.owners import owned, permuted_owners, without_seed_effects
from analysis.statistics.reliability import rank_correlation
from pipeline.errors import ConfigError, RunError
from pipeline.runs.layout import RANKING_FILE
from pipeline.runs.run import Run
from pipeline.settings.choices import LIST_SHARE
from pipeline.storage.sealed import seal, unseal

RULE = "top share of set 1, confirmed on set 2, against owners permuted by prompt group; version 2"
"""The rule of the lists. `analysis.ranking.result.STRICT_RULE` is the stricter rule."""
PERMUTATIONS = 200
"""Permuted draws at least: the smallest p-value of a list is then 1 / 201."""


def rank(
    run: Run,
    *,
    metric: str | None = None,
    share: float | None = None,
    n: int | None = None,
    permutations: int = PERMUTATIONS,
) -> Ranking:
    """Rank the seeds of a run.

    Args:
        run: The run; the features of the metric must be extracted.
        metric: Name of the metric; the recipe's if None.
        share: Share of the seeds that a list holds before confirmation; the recipe's if None.
        n: Prompts of each set to use; if None, as many as the recipe says, or else all.
        permutations: Draws of the null, at least 200.

    Returns:
        The ranking. The same run always gives the same ranking, draws included.

    Raises:
        ConfigError: If no metric is given and the recipe ranks by none, if the metric has no better
            end, or if there are too few permutations.
        RunError: If there are fewer than 8 seeds, or cells are missing: see `Cells.sample`.
    """
    ranking = run.recipe.ranking
    name = metric or (ranking.metric if ranking else "")
    if not name:
        raise ConfigError(nothing_ranked(run.recipe.name))
    ranked = load_metric(name)
    _refuse_settings(ranked, permutations)
    n = n or run.recipe.metric_prompts.get(name)
    sets = [read_cells(run, ranked.needs, sets=[number]) for number in (1, 2)]
    samples = [cells.sample(ranked.needs, n=n) for cells in sets]
    share = share or (ranking.share if ranking else LIST_SHARE)
    identity = ranking_identity(run, ranked)
    return rank_samples(ranked, samples, identity, share=share, permutations=permutations)


def ranking_identity(run: Run, metric: Metric) -> tuple[str, str, str]:
    """Return what identifies a ranking: run id, grid hash and metric identity."""
    return run.run_id, run.grid_hash, metric_identity(run, metric)


def _refuse_settings(metric: Metric, permutations: int) -> None:
    refuse_without_better_end(metric)
    if permutations < PERMUTATIONS:
        raise ConfigError(f"{permutations} permutations; at least {PERMUTATIONS} are needed")


def rank_samples(
    metric: Metric,
    samples: Sequence[Sample],
    identity: tuple[str, str, str],
    *,
    share: float,
    permutations: int = PERMUTATIONS,
) -> Ranking:
    """Rank seeds by a metric on two samples of prompts. See `rank`.

    Args:
        metric: A metric with a better end.
        samples: Set 1, which chooses, and set 2, which confirms, of the same seeds.
        identity: From `ranking_identity`.
        share: Share of the seeds that a list holds before confirmation.
        permutations: Draws of the null.
    """
    _refuse_samples(metric, samples)
    rng = np.random.default_rng([int(name, 16) for name in identity])
    prepared = [metric.prepare(sample.only(metric.needs)) for sample in samples]
    values = [metric.values(arrays) for arrays in prepared]
    draws, list_draws = permuted_draws(metric, prepared, samples, values, permutations, rng)
    second = samples[1]
    intervals = metric.compute(second.only(metric.needs), second.groups)
    repeated = repeatability(metric, prepared, samples, rng)
    needed = prompts_needed(repeated, per_image_mean=metric.per_image_mean)
    best: Direction = "higher" if metric.higher_is_better else "lower"
    worst: Direction = "lower" if metric.higher_is_better else "higher"
    low, high = np.percentile(draws.set2, [2.5, 97.5])
    floor_rng, limit_rng = rng.spawn(2)
    floor, floor_note = _floor(metric, second.n, floor_rng)
    limit, limit_note = _at_infinity(metric, prepared[1], second, limit_rng)
    hint = f" {needed.words}"
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
        rank_correlation=rank_correlation(*values),
        reliability=repeated.full,
        reliability_half=repeated.half,
        prompts_needed=needed.prompts,
        prompts_needed_note=needed.words,
        mean_set2=float(values[1].mean()),
        null_low=float(low),
        null_high=float(high),
        gap=gap_beside_null(values[1], draws.set2),
        golden=seed_list(second.seeds, values, list_draws, End(best, "top", share, hint)),
        bad=seed_list(second.seeds, values, list_draws, End(worst, "bottom", share, hint)),
        strict_golden=strict_golden(metric, prepared[1], second, rng, share=share),
        seeds=ranked_seeds(
            second.seeds, values, intervals, draws.set2, best, limit.values if limit else None
        ),
        floor=floor,
        floor_note=floor_note,
        at_infinity_n=limit.n if limit else (),
        at_infinity_note=limit_note,
    )


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


def _floor(metric: Metric, n: int, rng: np.random.Generator) -> tuple[NoiseFloor | None, str]:
    """Return a metric's noise floor, and the floor in words or why it cannot be measured.

    The words are empty for a metric that has no floor.
    """
    try:
        floor = metric.floor(n, rng)
    except ValueError as error:
        return None, f"No noise floor: {error}."
    if floor is None:
        return None, ""
    return floor, (
        f"Noise floor: {n:,} of the reference's images from its {floor.reference_n:,} others "
        f"{floor.mean:.4g} on average, standard deviation {floor.spread:.2g} over {floor.splits} "
        f"random splits."
    )


def _at_infinity(
    metric: Metric, prepared: Sequence[Any], sample: Sample, rng: np.random.Generator
) -> tuple[AtInfinity | None, str]:
    """Return values at infinitely many images, and them in words or why there are none.

    The words are empty for a metric that is not extrapolated.
    """
    try:
        limit = metric.at_infinity(prepared, sample.groups, rng)
    except ValueError as error:
        return None, f"Not extrapolated to infinitely many images: {error}."
    if limit is None:
        return None, ""
    order = np.argsort(metric.values(prepared))
    ends = order[[-1, 0]] if metric.higher_is_better else order[[0, -1]]
    best, worst = (f"seed {sample.seeds[i]} {limit.values[i]:.4g}" for i in ends)
    of_reference = " The reference's own n is not extrapolated." if metric.reference_n else ""
    caveat = f" {limit.caveat}" if limit.caveat else ""
    return limit, (
        f"Extrapolated to infinitely many images per seed (straight line in 1/n through "
        f"{', '.join(f'{n:,}' for n in limit.n)} images, whole prompt groups): best {best}, worst "
        f"{worst}, mean of all {limit.values.mean():.4g}. That is for comparing with distances of "
        f"another n; seeds are ranked at this n.{of_reference}{caveat}"
    )


def permuted_draws(
    metric: Metric,
    prepared: Sequence[Sequence[Any]],
    samples: Sequence[Sample],
    values: Sequence[Floats],
    permutations: int,
    rng: np.random.Generator,
) -> tuple[Draws, Draws]:
    """Compute the metric of each seed under permuted owners, and that without seed effects.

    A prompt group that is in both sets has the same owners in both. The second draws are for the
    lists, which compare the sets; see `without_seed_effects`.
    """
    seeds, groups = len(samples[0].seeds), [sample.groups for sample in samples]
    plain, residual = np.empty((2, 2, permutations, seeds))
    for draw in range(permutations):
        owners = permuted_owners(seeds, groups, rng)
        for i, owner in enumerate(owners):
            plain[i, draw] = metric.values([owned(array, owner) for array in prepared[i]])
            residual[i, draw] = without_seed_effects(plain[i, draw], values[i], owner, groups[i])
    return Draws(*plain), Draws(*residual)


def save_ranking(run: Run, ranking: Ranking) -> None:
    """Write the run's `ranking.json`, replacing an older one."""
    run.store.replace(RANKING_FILE, seal(json.loads(ranking.to_json())))


def read_ranking(run: Run) -> Ranking:
    """Read the ranking that was saved last.

    Raises:
        RunError: If no ranking was saved, it is damaged, or the grid has grown since.
    """
    try:
        ranking = read_saved_ranking(run.store.read(RANKING_FILE), run_id=run.run_id)
    except (FileNotFoundError, ValueError, RecursionError) as error:
        raise RunError(
            f"{run.root / RANKING_FILE} is missing or damaged ({error}); "
            f"run `goldenseed rank` first"
        ) from error
    if ranking.grid_hash != run.grid_hash:
        raise RunError(
            f"{run.root / RANKING_FILE} is of an earlier grid; run `goldenseed rank` again"
        )
    return ranking


def read_saved_ranking(content: bytes, *, run_id: str) -> Ranking:
    """Read the content of `ranking.json`.

    Args:
        content: The file.
        run_id: The run that it lies in; empty if that is unknown.

    Raises:
        ValueError: If a byte has changed, or the ranking is of another run.
        RecursionError: If it is nested too deeply.
    """
    ranking = Ranking.from_json(json.dumps(unseal(content)).encode())
    if run_id not in ("", ranking.run_id):
        raise ValueError(f"it is of run {ranking.run_id}, and this is {run_id}")
    return ranking
