"""Recipes that a study names: what must be drawn in addition, written as a user would write it."""

from collections.abc import Mapping
from typing import Any

import yaml

from pipeline.runs import Run


def recipe_text(
    run: Run,
    name: str,
    why: str,
    *,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> str:
    """A recipe like a run's own with something changed; the same cells otherwise.

    Args:
        run: The run; its sampling is written out, so that its arm needs no naming.
        name: The new recipe's name.
        why: What it is for: the comment at the top, one line.
        arms: Name -> what of `sampling` is changed.
        changes: Other fields of a recipe.

    Returns:
        YAML.

    Raises:
        ValidationError: If a change is none that a recipe takes (pydantic's).
    """
    own = run.recipe
    fields = own.model_dump(mode="json", exclude_defaults=True)
    fields |= {"name": name, "sampling": sampling_of(run), "arms": dict(arms or {})}
    made = type(own).model_validate(fields | dict(changes or {}))
    text = made.model_dump(mode="json", exclude_defaults=True)
    return f"# {why}\n" + yaml.safe_dump(text, sort_keys=False, allow_unicode=True, width=100)


def sampling_of(run: Run) -> dict[str, Any]:
    """How a run samples, as the fields of a recipe's `sampling`."""
    config = run.config.model_dump(mode="json")
    known = type(run.recipe.sampling).model_fields
    found = {name: config[name] for name in known if name in config}
    used = run.config.intervention
    found["intervention"] = {"name": used.name, "parameters": dict(used.parameters)}
    return found
