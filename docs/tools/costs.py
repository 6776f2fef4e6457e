"""Write the tables of what studies cost, from the numbers of `goldenseed plan`."""

import functools
from pathlib import Path

from goldenseed.steps.begin import choose_recipe
from goldenseed.steps.costs.drawing import seconds_per_image
from goldenseed.steps.plan import ArmPlan, plan_recipe, prompts_to_plan
from pipeline.settings.recipe import recipe_files

NOWHERE = Path("no-such-run")
"""A run folder that does not exist, so nothing is drawn yet."""


def cost_table(folder: str) -> str:
    """A row for each recipe of a folder of `pipeline/recipes`: hours and storage."""
    head = [
        "| recipe | model | images | GPU-hours, not measured on a GPU | CPU-hours | images, disk "
        "| numbers, disk |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [_cost_row(name, plan) for name in names_in(folder) for plan in plans_of(name)]
    return "\n".join([*head, *rows]) + "\n"


def rate_table(folders: str) -> str:
    """A row for each model of the recipes in some folders: images a second on one H100."""
    rows = {}
    for name in (name for folder in folders.split() for name in names_in(folder)):
        recipe = choose_recipe(name)
        card = recipe.own_card()
        seconds, basis = seconds_per_image(card, recipe.sampling)
        if seconds is not None:
            steps = recipe.sampling.num_inference_steps or card.num_inference_steps
            rows[card.name, steps] = f"| {card.name} | {steps} | {1 / seconds:,.1f} | {basis} |"
    head = ["| model | steps | images/s on one H100 | where this comes from |", "|---|---|---|---|"]
    return "\n".join([*head, *rows.values()]) + "\n"


def names_in(folder: str) -> list[str]:
    """Names of the recipes in a folder, sorted."""
    return sorted(name for name, path in recipe_files().items() if path.parent.name == folder)


@functools.cache
def plans_of(name: str) -> list[ArmPlan]:
    """What `goldenseed plan` says of a recipe of which nothing is drawn."""
    recipe = choose_recipe(name)
    return plan_recipe(recipe, prompts_to_plan(recipe), NOWHERE)


def _cost_row(name: str, plan: ArmPlan) -> str:
    cells = (
        f"`{name}`",
        plan.card,
        f"{plan.cells:,}",
        _short(plan.gpu_hours),
        _short(plan.cpu_hours),
        f"{_short(plan.image_bytes / 1e9)} GB",
        f"{_short(plan.feature_bytes / 1e9)} GB",
    )
    return f"| {' | '.join(cells)} |"


def _short(number: float | None) -> str:
    """Write a number with one decimal, or with none from 100 on."""
    if number is None:
        return "unknown"
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"
