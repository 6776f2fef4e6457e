"""The columns that a table of images has of each image's cell: its prompt and its seed."""

from typing import Any

from pipeline.prompts.prompt import Prompt
from pipeline.storage.schema import PROMPT_LABELS


def cell_columns(prompt: Prompt, seed: int) -> dict[str, Any]:
    """The values of the columns that name a cell and describe its prompt.

    Args:
        prompt: The prompt.
        seed: The seed, in [0, 2**32).

    Returns:
        A value for each column of `CELL_KEY`, `PROMPT_FIELDS` and `PROMPT_LABELS`.

    Example:
        >>> columns = cell_columns(Prompt("a red ball", object="ball"), 7)
        >>> columns["seed"], columns["text"], columns["object"], columns["category"]
        (7, 'a red ball', 'ball', None)
    """
    return {"prompt_id": prompt.id, "seed": seed, **prompt_columns(prompt)}


def prompt_columns(prompt: Prompt) -> dict[str, Any]:
    """The values of the columns that describe a prompt: `PROMPT_FIELDS` and `PROMPT_LABELS`.

    Args:
        prompt: The prompt.
    """
    return {
        "text": prompt.text,
        "object": prompt.object,
        "modifier": prompt.modifier,
        "group": prompt.group,
        "set": prompt.set,
        "prompt_image": prompt.image,
        "prompt_mask": prompt.mask,
        **{column.name: getattr(prompt, column.name) for column in PROMPT_LABELS},
    }
