"""Ask whether one list of seeds is enough for all prompts, or whether categories need their own."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from analysis.cells.cells import read_cells
from analysis.metrics import Metric, load_metric
from analysis.ranking.groups import LEAST_GROUPS
from analysis.statistics.carried_effects import CarriedEffects, carried_effects
from analysis.statistics.monte_carlo import p_words
from pipeline.errors import RunError
from pipeline.prompts.prompt import Prompt
from pipeline.runs.run import Run

CHOSEN, OTHERS = "the chosen prompts", "the other prompts"
ENOUGH = 0.5
"""One list is enough if at least this share of a seed's advantage is carried over."""
LEVEL = 0.05
SETS = (1, 2)


@dataclass(frozen=True)
class OneList:
    """Whether one list is enough.

    Attributes:
        metric: The metric that the question was asked of; empty if none could be.
        effects: The evidence; None if there is none.
        answer: One sentence.
    """

    metric: str
    effects: CarriedEffects | None
    answer: str


def one_list(run: Run, chosen: Collection[str] = ()) -> OneList:
    """Say how much of a seed's advantage carries over to other prompts.

    Args:
        run: The run.
        chosen: Ids of some prompts, to ask whether a list of the others is enough for them; empty
            to ask whether one list is enough for all prompt groups.

    Returns:
        The answer. It is computed from a metric with one number per image: that of the ranking,
        or else the first that the recipe measures and that has a better end.
    """
    metric = _metric(run)
    if metric is None:
        return OneList("", None, (
            "Whether one list is enough cannot be said: it needs a metric with one number per "
            "image and a better end, such as a preference score; add one to `metrics`."
        ))  # fmt: skip
    try:
        effects = _effects(run, metric, chosen)
    except (ValueError, RunError) as error:
        reason = f"Whether one list is enough cannot be said by {metric.name}: {error}."
        return OneList(metric.name, None, reason)
    return OneList(metric.name, effects, _answer(metric, effects, to_chosen=bool(chosen)))


def _metric(run: Run) -> Metric | None:
    ranking = run.recipe.ranking
    names = [*([ranking.metric] if ranking else []), *run.recipe.metrics]
    metrics = (load_metric(name) for name in dict.fromkeys(names))
    return next((m for m in metrics if m.per_image_mean and m.higher_is_better is not None), None)


def _effects(run: Run, metric: Metric, chosen: Collection[str]) -> CarriedEffects:
    sample = read_cells(run, metric.needs, sets=SETS).sample(metric.needs)
    values = metric.prepare(sample.only(metric.needs))[0]
    rng = np.random.default_rng([int(run.run_id, 16), int(run.grid_hash, 16)])
    prompts = sample.prompts
    if not chosen:
        categories = [prompt_category(p) for p in prompts]
        of_groups = categories == [p.group for p in prompts]
        units = [p.id if of_groups else p.group for p in prompts]
        return carried_effects(values, categories, units, rng)
    sides = [CHOSEN if p.id in chosen else OTHERS for p in prompts]
    return carried_effects(values, sides, _units(prompts, chosen), rng, source=OTHERS)


def prompt_category(prompt: Prompt) -> str:
    """Give a prompt's category; of a prompt without one, its group."""
    return prompt.category or prompt.group


def _units(prompts: Collection[Prompt], chosen: Collection[str]) -> list[str]:
    """Name what each prompt depends on: its group, or itself where the choice is of few groups."""
    few = len({p.group for p in prompts if p.id in chosen}) < LEAST_GROUPS
    return [p.id if few and p.id in chosen else p.group for p in prompts]


def _answer(metric: Metric, effects: CarriedEffects, *, to_chosen: bool) -> str:
    share = effects.share
    if math.isnan(share.value):
        return (
            f"No list helps by {metric.name}: what a seed does for one prompt does not repeat on "
            f"another prompt, not even of the same category."
        )
    where = "on the other prompts" if to_chosen else "in one category of prompts"
    there = "on the chosen ones" if to_chosen else "in the others"
    evidence = (
        f"of a seed's advantage {where}, {share.value:.0%} [{share.low:.0%}, {share.high:.0%}] "
        f"shows {there}, by {metric.name} (with categories dealt out at random: "
        f"{p_words(effects.p, effects.draws)})"
    )
    special = "these prompts" if to_chosen else "each category"
    return f"{_verdict(effects, special)}: {evidence}."


def _verdict(effects: CarriedEffects, special: str) -> str:
    differs, carried = effects.p <= LEVEL, effects.share.low >= ENOUGH
    if carried:
        part = " for most of it, although categories make a difference" if differs else ""
        return f"One list is enough{part}"
    if differs:
        return f"One list is not enough; rank {special} separately (--where)"
    return "Not shown: there are too few prompts or seeds to say whether one list is enough"
