"""What a study needs beyond its run: recipes that draw it, and the runs that came of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import RunError
from pipeline.recipe import Recipe, Sampling
from pipeline.runs import RUN_FILE, Run


def recipe_like(run: Run, changes: Mapping[str, Any], *, note: str) -> str:
    """A recipe that draws like a run but for some changes.

    Args:
        run: The run; its sampling is written out, whatever arm of a recipe it was.
        changes: Fields of `Recipe`; those of `sampling` are laid over the run's.
        note: What it is for; becomes the comment at its head.

    Returns:
        YAML, valid as a recipe.
    """
    asked = run.recipe.model_dump(mode="json", exclude_defaults=True)
    asked |= {"batch_size": run.config.batch_size, "arms": {}}
    own = {**sampling_of(run), **changes.get("sampling", {})}
    fields = {**asked, **changes, "sampling": own}
    valid = Recipe.model_validate(fields).model_dump(mode="json", exclude_defaults=True)
    del valid["name"]
    head = "".join(f"# {line}\n" for line in note.splitlines())
    text: str = yaml.safe_dump(valid, sort_keys=False, allow_unicode=True, width=100)
    return head + text


def sampling_of(run: Run) -> dict[str, Any]:
    """How a run samples, as a recipe's `sampling` says it."""
    told = {name: getattr(run.config, name) for name in Sampling.model_fields}
    chosen = run.config.intervention
    told["intervention"] = {"name": chosen.name, "parameters": chosen.parameters}
    return told


def further_run(run: Run, path: str) -> Run:
    """A run that a setting of a study names.

    Args:
        run: The run that is studied.
        path: Its folder, relative to that of `run`, or absolute.

    Raises:
        RunError: If there is no run.
    """
    return Run.open(run.root / path)


def arms_beside(run: Run, folder: str = "..") -> dict[str, Run]:
    """The runs in a folder that show the same checkpoint, by the names of their folders.

    The arms of a recipe are such runs, side by side.

    Args:
        run: The run that is studied; it is not among them.
        folder: Where to look, relative to the folder of `run`, or absolute.

    Raises:
        RunError: If there is no such folder.
    """
    place = Path(run.root / folder).resolve()
    if not place.is_dir():
        raise RunError(f"{place} is no folder; name the one that holds the arms of the recipe")
    found = {
        file.parent.name: Run.open(file.parent) for file in sorted(place.glob(f"*/{RUN_FILE}"))
    }
    return {
        name: arm
        for name, arm in found.items()
        if arm.root != run.root.resolve() and arm.config.card_sha256 == run.config.card_sha256
    }
