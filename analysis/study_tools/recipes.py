"""Write recipes of the runs that a study would need in addition, as a user would write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.runs.run import Run
from pipeline.settings.own_paths import resolve_paths
from pipeline.settings.recipe import Recipe, Sampling


def recipe_like(run: Run, changes: Mapping[str, Any], *, note: str) -> str:
    """Write a recipe that draws like a run, except for some changes.

    Args:
        run: The run. Its sampling is written out, even if it is an arm of a recipe.
        changes: Fields of `Recipe`. The fields of `sampling` change the run's sampling; if the
            card is another, they change that card's default sampling.
        note: What the recipe is for; becomes the comment at the top.

    Returns:
        YAML, valid as a recipe.

    Raises:
        ValidationError: From pydantic, if a change is not valid in a recipe.
    """
    recipe = run.recipe.model_dump(mode="json", exclude_defaults=True)
    recipe |= {"batch_size": run.config.batch_size, "arms": {}}
    sampling = {} if "card" in changes else sampling_of(run)
    fields = {**recipe, **changes, "sampling": {**sampling, **changes.get("sampling", {})}}
    valid = Recipe.model_validate(fields).model_dump(mode="json", exclude_defaults=True)
    del valid["name"]  # a recipe is named by its file
    valid = resolve_paths(valid, Path.cwd())  # the file's own folder is another
    head = "".join(f"# {line}\n" for line in note.splitlines())
    text: str = yaml.safe_dump(valid, sort_keys=False, allow_unicode=True, width=100)
    return head + text


def sampling_of(run: Run) -> dict[str, Any]:
    """Describe how a run samples, as the field `sampling` of a recipe."""
    sampling = {name: getattr(run.config, name) for name in Sampling.model_fields}
    intervention = run.config.intervention
    sampling["intervention"] = {
        "name": intervention.name,
        "parameters": dict(intervention.parameters),
    }
    return sampling
