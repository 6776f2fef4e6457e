"""Recipes that a study names: what must be drawn in addition, written as a user would write it."""

from collections.abc import Mapping
from typing import Any

import yaml

from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe, Sampling


def recipe_like(run: Run, changes: Mapping[str, Any], *, note: str) -> str:
    """A recipe that draws like a run but for some changes.

    Args:
        run: The run; its sampling is written out, whatever arm of a recipe it was.
        changes: Fields of `Recipe`; those of `sampling` are laid over the run's, or over nothing
            where the card is another: then its own sampling holds.
        note: What it is for; becomes the comment at its head.

    Returns:
        YAML, valid as a recipe.

    Raises:
        ValidationError: If a change is none that a recipe takes (pydantic's).
    """
    asked = run.recipe.model_dump(mode="json", exclude_defaults=True)
    asked |= {"batch_size": run.config.batch_size, "arms": {}}
    own = {} if "card" in changes else sampling_of(run)
    fields = {**asked, **changes, "sampling": {**own, **changes.get("sampling", {})}}
    valid = Recipe.model_validate(fields).model_dump(mode="json", exclude_defaults=True)
    del valid["name"]  # that of the file
    head = "".join(f"# {line}\n" for line in note.splitlines())
    text: str = yaml.safe_dump(valid, sort_keys=False, allow_unicode=True, width=100)
    return head + text


def sampling_of(run: Run) -> dict[str, Any]:
    """How a run samples, as a recipe's `sampling` says it."""
    told = {name: getattr(run.config, name) for name in Sampling.model_fields}
    chosen = run.config.intervention
    told["intervention"] = {"name": chosen.name, "parameters": dict(chosen.parameters)}
    return told
