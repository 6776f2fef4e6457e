"""Resolves the relative paths in a user's own recipe: they start at the folder of the recipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.cards.own_paths import beside
from pipeline.cards.single_files import is_shipped_config
from pipeline.prompts.prompt_files import SUFFIXES

_YAML = (".yaml", ".yml")


def resolve_paths(fields: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Resolve the paths in the fields of a recipe.

    Paths are a card, the paths in a card that the recipe holds, a prompt file, a card after the `@`
    of a feature or metric, and the weights of an intervention.

    Args:
        fields: The fields, as they were read; what is no path stays as it is.
        folder: The folder of the recipe.

    Example:
        >>> fields = {"card": "mine.yaml", "metrics": ["clip_score@b.yaml"], "name": "x"}
        >>> resolve_paths(fields, Path("/me"))
        {'card': '/me/mine.yaml', 'metrics': ['clip_score@/me/b.yaml'], 'name': 'x'}
    """
    return {name: _resolved(value, name, folder) for name, value in fields.items()}


def _resolved(value: Any, name: str, folder: Path) -> Any:  # noqa: ANN401 - any field's value
    """Resolve the paths in a value; in lists and mappings, those of each item."""
    if isinstance(value, list):
        return [_resolved(item, name, folder) for item in value]
    if isinstance(value, dict):
        return {
            _with_card(key, folder): _resolved(item, str(key), folder)
            for key, item in value.items()
        }
    if not isinstance(value, str):
        return value
    is_path = (
        (name == "card" and value.endswith(_YAML))
        or (name == "source" and (value.lower().endswith(SUFFIXES) or "/" in value))
        or (name == "wildcards" and value != "")
        or name in ("path", "weights")
        or (name == "config" and not is_shipped_config(value))
        or name.endswith("_weights")
    )
    return beside(value, folder) if is_path else _with_card(value, folder)


def _with_card(name: Any, folder: Path) -> Any:  # noqa: ANN401 - keys of YAML may be anything
    """Resolve the card in `feature@card.yaml`."""
    if not isinstance(name, str) or "@" not in name or not name.endswith(_YAML):
        return name
    kind, _, card = name.partition("@")
    return f"{kind}@{beside(card, folder)}"
