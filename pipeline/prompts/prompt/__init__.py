"""A prompt: its fields in files, and the id and set that follow from them."""

from pipeline.prompts.prompt.fields import (
    FIELDS,
    LABELS,
    TEXT_NAMES,
    is_field_name,
    parse_prompt_line,
    sort_fields,
)
from pipeline.prompts.prompt.prompt import (
    MAX_CHARACTERS,
    Prompt,
    normalise,
    prompt_from_fields,
    set_of,
)

__all__ = [
    "FIELDS",
    "LABELS",
    "MAX_CHARACTERS",
    "TEXT_NAMES",
    "Prompt",
    "is_field_name",
    "normalise",
    "parse_prompt_line",
    "prompt_from_fields",
    "set_of",
    "sort_fields",
]
