"""Write the arms of a recipe that compares several models on the same prompts and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from goldenseed.steps.init.card_fields import card_fields
from goldenseed.steps.init.model import model_facts
from goldenseed.steps.init.recipe_text import flow
from goldenseed.steps.init.request import Request
from pipeline.cards.facts.fact import Fact
from pipeline.errors import ConfigError
from pipeline.settings.recipe import NAME


def arm_lines(request: Request, models: Sequence[str], first: Mapping[str, Fact]) -> list[str]:
    """Write an arm for each model; the first has the recipe's card.

    Args:
        request: The request for the first model.
        models: The other models.
        first: The fields of the recipe's card.

    Returns:
        The lines; none if there is one model only.

    Raises:
        GoldenseedError: If a model cannot be used, or two have one name.
    """
    if not models:
        return []
    base = {name: fact.value for name, fact in first.items()}
    arms: dict[str, dict[str, Any]] = {_arm_name(request): {}}
    for model in models:
        own = replace(request, model=model)
        name = _arm_name(own)
        if name in arms:
            raise ConfigError(
                f"two models are called {name}, and arms need names of their own; rename one, or "
                f"write the arms by hand (docs/recipes.md)"
            )
        facts = {field: f.value for field, f in card_fields(model_facts(own), own).items()}
        arms[name] = {"card": _change(base, facts | {"name": name})}
    return ["arms:", *(f"  {flow(name)}: {flow(arm)}" for name, arm in arms.items()), ""]


def _change(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a card that differ from those of the recipe's, or all of them."""
    if set(base) - set(own) - {"memory"}:
        return dict(own)
    return {field: value for field, value in own.items() if base.get(field) != value}


def _arm_name(request: Request) -> str:
    """Give a name that is fit for a folder."""
    fit = "".join(letter if NAME.fullmatch(f"a{letter}") else "-" for letter in request.name)
    return fit.lstrip(".-")[:64] or "model"
