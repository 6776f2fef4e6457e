"""Reads the fields of a prompt from rows of files, by the names that lists of prompts use."""

import json
import re
from collections.abc import Sequence
from typing import Any

from pipeline.errors import PromptError, nearest

TEXT_NAMES = ("text", "prompt", "caption", "prompts")
"""Names of the field that holds the text, in small letters; DrawBench says `Prompts`."""
LABELS = ("category", "challenge")
"""Optional fields that only sort prompts, as PartiPrompts does; read in any case."""
CATEGORY_NAMES = ("category", "tag")
"""Names of the category, the first that is there; GenEval says `tag`."""
FIELDS = ("text", "object", "modifier", "group", *LABELS, "set", "image", "mask", "id", "negative")
"""Fields of a prompt in a file."""
NEGATIVES = ("negative", "negative_prompt")
"""Names of the field that holds the negative prompt, in small letters."""


def parse_prompt_fields(line: str) -> dict[str, Any]:
    """Read the fields of a prompt from one line of JSON, and refuse anything else.

    Args:
        line: One JSON object; see `parse_prompt_line`.

    Returns:
        Name -> value of the fields in the line; `text` is always one of them.

    Raises:
        PromptError: If the line is malformed, or a field is unknown, repeated or of a wrong type.
    """
    fields, unused = parse_prompt_line(line)
    if unused:
        known = ", ".join(FIELDS)
        raise PromptError(
            f"unknown field {unused[0]!r}: {nearest(unused[0], FIELDS)}known: {known}"
        )
    return fields


def parse_prompt_line(line: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read the fields of a prompt from one line of JSON, which may hold other fields.

    Args:
        line: One JSON object.

    Returns:
        Name -> value of the fields of a prompt, and the names of the other fields.

    Raises:
        PromptError: As `sort_fields`, or if the line is no JSON object.

    Example:
        >>> parse_prompt_line('{"prompt": "a bowl", "source": "web"}')
        ({'text': 'a bowl'}, ('source',))
    """
    try:
        pairs = json.loads(line, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"malformed JSON: {error}") from None
    if not line.lstrip().startswith("{"):
        raise PromptError('found no JSON object; wanted {"text": ...}')
    return sort_fields(pairs)


def sort_fields(pairs: Sequence[tuple[str, Any]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Divide named values into the fields of a prompt and others.

    Args:
        pairs: Names with values. The text may be called text or prompt, or caption or prompts if
            there is neither, in any case; the category may be called tag. An `id` that is no hash
            and a `set` in words are other people's fields.

    Returns:
        Name -> value of the fields of a prompt, `text` among them, and the names of the others.

    Raises:
        PromptError: If there is no text, or a field is repeated or of a wrong type.
    """
    known = {name.casefold() for name, _ in pairs}
    texts = TEXT_NAMES if known.isdisjoint(TEXT_NAMES[:2]) else TEXT_NAMES[:2]
    kinds = CATEGORY_NAMES if known.isdisjoint(CATEGORY_NAMES[:1]) else CATEGORY_NAMES[:1]
    fields: dict[str, Any] = {}
    unused = []
    for given, value in pairs:
        name = _field_name(given, texts, kinds)
        if name not in FIELDS or _is_anothers(given, name, value):
            unused.append(given)
            continue
        if name in fields:
            raise PromptError(f"found the field {given!r} twice (text and prompt are one field)")
        fields[name] = _checked_field(name, value)
    if not isinstance(fields.get("text"), str):
        hint = " ".join(nearest(name, TEXT_NAMES) for name in unused).strip()
        raise PromptError(f"found no field 'text'; wanted one (or 'prompt') {hint}".rstrip())
    return fields, tuple(unused)


def is_field_name(name: str) -> bool:
    """Whether a name may stand for a field of a prompt.

    Example:
        >>> is_field_name("Caption"), is_field_name("colour")
        (True, False)
    """
    return name in FIELDS or name.casefold() in (*TEXT_NAMES, *NEGATIVES, *LABELS, *CATEGORY_NAMES)


def _field_name(given: str, texts: Sequence[str], kinds: Sequence[str]) -> str:
    """Give the field that a name stands for; a label may have capitals, as in PartiPrompts."""
    if given.casefold() in texts:
        return "text"
    if given.casefold() in kinds:
        return "category"
    if given.casefold() in NEGATIVES:
        return "negative"
    return given.casefold() if given.casefold() in LABELS else given


def _is_anothers(given: str, name: str, value: object) -> bool:
    """Whether a field called id, set or tag has a value that is not meant here."""
    if given.casefold() == CATEGORY_NAMES[1]:
        return not isinstance(value, str)
    if name == "id":
        return not (isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16}", value))
    return name == "set" and isinstance(value, str)


def _checked_field(name: str, value: object) -> object:
    wanted = int if name == "set" else str
    if value is not None and type(value) is not wanted:
        raise PromptError(f"found {value!r} as {name}; wanted {wanted.__name__}")
    if value == "" and name in ("object", "group"):
        raise PromptError(f"found an empty {name}; name it or leave the field out")
    return value
