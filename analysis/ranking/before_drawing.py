"""Refuse a ranking that cannot succeed, before the first image is drawn."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from analysis.features import load_feature
from analysis.metrics import METRICS, Metric, load_metric
from analysis.per_seed import SETS, groups_refusal
from analysis.ranking.result import too_few_seeds
from pipeline.errors import ConfigError
from pipeline.prompts.columns import prompt_columns
from pipeline.prompts.prompt import Prompt
from pipeline.settings.recipe import Recipe


def refuse_unrankable(recipe: Recipe, seeds: Sequence[int], prompts: Iterable[Prompt]) -> None:
    """Refuse a recipe's ranking if its metric or its grid allows none.

    Args:
        recipe: The recipe; one that ranks nothing is never refused.
        seeds: All seeds of the grid.
        prompts: All prompts of the grid.

    Raises:
        ConfigError: If the metric has no better end, or there are too few seeds, or too few
            prompts or prompt groups in set 1 or 2.
    """
    if recipe.ranking is None:
        return
    metric = load_metric(recipe.ranking.metric)
    refuse_without_better_end(metric)
    refusal = too_few_seeds(len(seeds)) or _too_few_prompts(recipe, metric, list(prompts))
    if refusal:
        raise ConfigError(refusal)


def refuse_without_better_end(metric: Metric) -> None:
    """Refuse to rank by a metric that has no better end.

    Raises:
        ConfigError: If it has none; the message names the metrics that have one.
    """
    if metric.higher_is_better is None:
        directed = [name for name in METRICS if load_metric(name).higher_is_better is not None]
        raise ConfigError(
            f"metric {metric.name} has no better end, so no seed is golden by it; "
            f"rank by one of these: {', '.join(directed)}"
        )


def metrics_not_shown(recipe: Recipe, prompts: Iterable[Prompt]) -> list[str]:
    """Say which metrics of a recipe a grid is too small for, one sentence for each reason.

    Args:
        recipe: The recipe; the metric of its ranking is left to `refuse_unrankable`.
        prompts: All prompts of the grid.
    """
    listed, names = list(prompts), defaultdict[tuple[int, str], list[str]](list)
    for name in recipe.metrics:
        for reason in _refusals(recipe, load_metric(name), listed).items():
            names[reason].append(name)
    return [
        f"set {number} will not show {', '.join(metrics)}: {refusal}"
        for (number, refusal), metrics in sorted(names.items())
    ]


def _too_few_prompts(recipe: Recipe, metric: Metric, prompts: Sequence[Prompt]) -> str:
    for number, refusal in _refusals(recipe, metric, prompts).items():
        return (
            f"{metric.name} cannot rank, set {number} will have {refusal}, or leave `ranking` "
            f"out of the recipe (a fifth of all prompts is in set 3; sets 1 and 2 share the "
            f"others)"
        )
    return ""


def _refusals(recipe: Recipe, metric: Metric, prompts: Sequence[Prompt]) -> dict[int, str]:
    """Say for each prompt set that is too small for a metric why it is."""
    limit = recipe.metric_prompts.get(metric.name)
    measured = sorted(
        (prompt for prompt in prompts if _is_measured(recipe, metric, prompt)),
        key=lambda prompt: prompt.id,
    )
    groups = {n: [p.group for p in measured if p.set == n][:limit] for n in SETS}
    refusals = {number: groups_refusal(names) for number, names in groups.items()}
    return {number: refusal for number, refusal in refusals.items() if refusal}


def _is_measured(recipe: Recipe, metric: Metric, prompt: Prompt) -> bool:
    """Whether all features of the metric are measured on a prompt."""
    fields = prompt_columns(prompt)
    shares = (recipe.feature_prompts.get(name) for name in metric.features)
    return not any(share and share.skips(prompt.id) for share in shares) and not any(
        load_feature(name).applies(fields) for name in metric.features
    )
