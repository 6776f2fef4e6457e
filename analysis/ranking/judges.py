"""Judge chosen seeds by the score that chose them, and by one that did not.

A seed that was chosen by a score is good by that score partly because the score liked something
that is not quality. So each gain is also reported by a second judge: another score of the same
images, made from another feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cells.cells import Sample, read_cells
from analysis.metrics import METRICS, Metric, load_metric
from analysis.ranking.groups import cap_groups
from analysis.ranking.result import WinRate
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.wins import wins
from pipeline.errors import RunError
from pipeline.runs.run import Run


@dataclass(frozen=True)
class JudgedSeeds:
    """What the judges say about chosen seeds.

    Attributes:
        win_rates: One for each judge, those that chose first.
        words: The same in words, with who chose and who did not, or which judge is lacking.
    """

    win_rates: tuple[WinRate, ...]
    words: str


def judge_chosen(
    run: Run, choosers: Sequence[Metric], seeds: Sequence[int], *, prompt_set: int = 2
) -> JudgedSeeds:
    """Compare the images of chosen seeds with those of the other seeds, by several judges.

    Args:
        run: The run.
        choosers: The metrics that chose. Those that are a mean of scores judge as well.
        seeds: The chosen seeds.
        prompt_set: Prompts that had no part in choosing.

    Returns:
        The win rates by the choosers and by one judge that did not choose; nothing if no seed is
        chosen.
    """
    if not seeds:
        return JudgedSeeds((), "")
    second = second_judge(run, choosers)
    asked = [metric for metric in choosers if _scores(metric)] + ([second] if second else [])
    rates, reasons = [], []
    for metric in asked:
        try:
            rates.append(_win_rate(run, metric, seeds, prompt_set, chose=metric in choosers))
        except RunError as error:
            reasons.append(f"{metric.name} could not judge: {error}.")
    words = [_words(rates, len(seeds), prompt_set), *reasons]
    if second is None:
        words.append(_lacking(run, choosers))
    return JudgedSeeds(tuple(rates), " ".join(filter(None, words)))


def second_judge(run: Run, choosers: Sequence[Metric]) -> Metric | None:
    """Find a score that a run measures and that had no part in choosing.

    It shares no feature with the choosers, whatever their cards. The metrics of the recipe come
    before others whose feature the run measures.

    Args:
        run: The run.
        choosers: The metrics that chose.
    """
    of_recipe = [load_metric(name) for name in run.recipe.metrics]
    others = [_measured(run, name) for name in METRICS]
    used = _kinds(choosers)
    judges = (metric for metric in [*of_recipe, *others] if metric and metric.judges_images)
    return next((metric for metric in judges if not _kinds([metric]) & used), None)


def _measured(run: Run, name: str) -> Metric | None:
    """Make a registered metric with the card of the run's feature; None if it is not measured."""
    metric = load_metric(name)
    for feature in run.recipe.features:
        kind, _, card = feature.partition("@")
        if metric.features == (feature,):
            return metric
        if card and metric.features == (kind,):
            return metric.with_card(card)
    return None


def _kinds(metrics: Sequence[Metric]) -> set[str]:
    """Name the features of metrics without their cards."""
    return {feature.partition("@")[0] for metric in metrics for feature in metric.features}


def _scores(metric: Metric) -> bool:
    return metric.per_image_mean and metric.higher_is_better is not None


def _win_rate(
    run: Run, metric: Metric, seeds: Sequence[int], prompt_set: int, *, chose: bool
) -> WinRate:
    cells = read_cells(run, metric.needs, sets=[prompt_set])
    sample = cells.sample(metric.needs, n=run.recipe.metric_prompts.get(metric.name))
    sample, _ = cap_groups(sample, prompt_set)
    return WinRate(metric.name, chose, win_rate(metric, sample, seeds))


def win_rate(metric: Metric, sample: Sample, seeds: Sequence[int]) -> Interval:
    """Compute how often images of chosen seeds have the better score, over prompt groups.

    Args:
        metric: A mean of one score per image.
        sample: Cells of prompts that had no part in choosing.
        seeds: The chosen seeds; not all.

    Raises:
        RunError: If all seeds are chosen or none is, or there are too few prompt groups.
    """
    chosen = np.isin(sample.seeds, seeds)
    groups = len(set(sample.groups.tolist()))
    if chosen.all() or not chosen.any() or groups < 2:
        raise RunError(
            f"{int(chosen.sum())} of {len(chosen)} seeds are chosen and there are {groups} prompt "
            f"groups; a comparison needs chosen and other seeds, and 2 groups"
        )
    scores = metric.prepare(sample.only(metric.needs))[0]
    scores = scores if metric.higher_is_better else -scores
    return grouped_mean_interval(wins(scores[chosen], scores[~chosen]), sample.groups)


def _words(rates: Sequence[WinRate], seeds: int, prompt_set: int) -> str:
    if not rates:
        return ""
    parts = [
        f"{rate.win_rate.value:.1%} [{rate.win_rate.low:.1%}, {rate.win_rate.high:.1%}] by "
        f"{rate.metric}, which {'chose them' if rate.chose else 'did not choose'}"
        for rate in rates
    ]
    return (
        f"Images of the {seeds} chosen seeds are better than those of other seeds in "
        f"{'; in '.join(parts)} (set {prompt_set}, which had no part in choosing; intervals over "
        f"prompt groups, seeds fixed)."
    )


def _lacking(run: Run, choosers: Sequence[Metric]) -> str:
    """Say that no second judge was asked, and which feature to add."""
    used, small = _kinds(choosers), run.card.demonstration
    judges = [load_metric(name) for name in METRICS]
    features = [
        metric.features[0]
        for metric in judges
        if metric.judges_images
        and not _kinds([metric]) & used
        and metric.name.endswith("_seedling") == small
    ]
    names = ", ".join(metric.name for metric in choosers)
    return (
        f"Only {names}, which chose the seeds, was asked. For a second judge, add "
        f"{' or '.join(dict.fromkeys(features))} to `features` and measure again."
    )
