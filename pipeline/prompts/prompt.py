"""One prompt: its text, its labels, its conditions, and what follows from them for ever."""

import dataclasses
import hashlib
import json
import re
import unicodedata
from typing import Any

from pipeline.errors import PromptError, nearest

__all__ = [
    "MAX_CHARACTERS",
    "Prompt",
    "normalise",
    "parse_prompt_fields",
    "prompt_from_fields",
    "set_of",
]

MAX_CHARACTERS = 10_000
"""The longest prompt, in characters: some hundred times what a text encoder reads."""

_SET_SALT = "goldenseed prompt sets 1"
_FIELDS = ["text", "object", "modifier", "group", "set", "image", "mask", "id"]


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
    r"""One prompt with what is known about it.

    Args:
        text: What the model is told, blanks at both ends stripped, otherwise as given: no
            Unicode normalisation, because the tokenizer sees these very characters.
        object: The thing that is asked for ("horse"), or None.
        modifier: What is said about it ("red"; "" when it is named plainly), or None.
        group: What makes prompts dependent: resampling draws whole groups. Left empty it is
            the object, or else the text, in normalised form.
        image: The sha256 of the image the model is conditioned on, 64 hex digits, or None.
        mask: The sha256 of the mask, or None.

    Attributes:
        set: 1 chooses seeds, 2 confirms them, 3 is touched only to report gains.
        id: 16 hex digits: sha256 of the NFC form of the text and of the conditions' hashes.

    Raises:
        PromptError: If the text is empty, longer than `MAX_CHARACTERS`, or holds a control
            character other than tab and newline or half a surrogate pair; if a condition is
            not a sha256.

    Example:
        >>> horse = Prompt("a red horse ", object="Horse", modifier="red")
        >>> horse.text, horse.group, horse.set, horse.id
        ('a red horse', 'horse', 1, '0c99ec89a0d9323b')
        >>> Prompt("caf\u00e9").id == Prompt("cafe\u0301").id
        True
    """

    text: str
    object: str | None = dataclasses.field(default=None, kw_only=True)
    modifier: str | None = dataclasses.field(default=None, kw_only=True)
    group: str = dataclasses.field(default="", kw_only=True)
    image: str | None = dataclasses.field(default=None, kw_only=True)
    mask: str | None = dataclasses.field(default=None, kw_only=True)
    set: int = dataclasses.field(init=False)
    id: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        text = _checked_text(self.text)
        for name in ("object", "modifier", "group"):
            _refuse_controls(getattr(self, name) or "", name)
        for name in ("image", "mask"):
            _refuse_non_hash(getattr(self, name), name)
        identity = _prompt_id(text, self.image, self.mask)
        derived = {
            "text": text,
            "group": self.group.strip() or normalise(self.object or text),
            "set": set_of(identity),
            "id": identity,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def to_json(self) -> str:
        """Write the prompt as one line of JSON, without the newline.

        Example:
            >>> Prompt.from_json(Prompt("a bowl").to_json()) == Prompt("a bowl")
            True
        """
        fields = {name: getattr(self, name) for name in _FIELDS}
        return json.dumps(fields, ensure_ascii=False)

    @staticmethod
    def from_json(line: str) -> "Prompt":
        """Read a prompt from one line of JSON.

        Args:
            line: An object with `text` (or `prompt`), and any of object, modifier, group,
                image, mask. `id` and `set` may be there and must then be the right ones.

        Raises:
            PromptError: If the line is no such object. The message names the field.
        """
        return prompt_from_fields(parse_prompt_fields(line))


def normalise(text: str) -> str:
    r"""Bring texts that differ only in case, blanks or Unicode form to one form.

    Example:
        >>> normalise("A  red\tHorse ")
        'a red horse'
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def set_of(prompt_id: str) -> int:
    """Give the set of a prompt: 1 for 40 %, 2 for 40 %, 3 for 20 % of all ids.

    The set hangs on the id and a fixed salt alone, so no growth ever moves a prompt. It is
    independent of the order of the ids, by which the first n prompts of a set are taken.

    Example:
        >>> [set_of(name) for name in ("a", "b", "c", "d")]
        [3, 2, 1, 1]
    """
    digest = hashlib.sha256(f"{_SET_SALT}:{prompt_id}".encode()).digest()
    tenth = int.from_bytes(digest[:8], "big") * 10 >> 64
    return 1 + (tenth >= 4) + (tenth >= 8)


def parse_prompt_fields(line: str) -> dict[str, Any]:
    """Read the fields of a prompt from one line of JSON, refusing what is none of them.

    Args:
        line: One JSON object; `prompt` is another name of the field `text`.

    Returns:
        name -> value, of the fields that are there; `text` always is.

    Raises:
        PromptError: If the line is malformed, or a field is unknown, doubled or mistyped.
    """
    try:
        pairs = json.loads(line, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"malformed JSON: {error}") from None
    if not line.lstrip().startswith("{"):
        raise PromptError('found no JSON object; wanted {"text": ...}')
    fields: dict[str, Any] = {}
    for given, value in pairs:
        name = "text" if given == "prompt" else given
        if name in fields:
            raise PromptError(f"found the field {given!r} twice (text and prompt are one field)")
        fields[name] = _checked_field(name, value)
    if not isinstance(fields.get("text"), str):
        raise PromptError("found no field 'text'; wanted one (or 'prompt')")
    return fields


def _checked_field(name: str, value: object) -> object:
    if name not in _FIELDS:
        known = ", ".join(_FIELDS)
        raise PromptError(f"unknown field {name!r}: {nearest(name, _FIELDS)}known: {known}")
    wanted = int if name == "set" else str
    if value is not None and type(value) is not wanted:
        raise PromptError(f"found {value!r} as {name}; wanted {wanted.__name__}")
    if value == "" and name in ("object", "group"):
        raise PromptError(f"found an empty {name}; name it or leave the field out")
    return value


def prompt_from_fields(fields: dict[str, Any]) -> Prompt:
    """Make a prompt of its fields; a stated id or set must be the right one.

    Raises:
        PromptError: If the prompt is not one (see `Prompt`), or id or set are another's.
    """
    labels = {name: fields.get(name) for name in ("object", "modifier", "image", "mask")}
    prompt = Prompt(fields["text"], group=fields.get("group") or "", **labels)
    for name in ("id", "set"):
        stated, right = fields.get(name), getattr(prompt, name)
        if stated is not None and stated != right:
            raise PromptError(
                f"found {name} {stated!r}, but the text gives {right!r}; leave the field out"
            )
    return prompt


def _checked_text(text: str) -> str:
    _refuse_controls(text, "text")
    stripped = text.strip()
    if not stripped:
        raise PromptError("found an empty prompt; wanted some text")
    if len(stripped) > MAX_CHARACTERS:
        raise PromptError(
            f"found a prompt of {len(stripped):,} characters; wanted at most {MAX_CHARACTERS:,}"
        )
    return stripped


def _refuse_controls(text: str, field: str) -> None:
    for place, character in enumerate(text, start=1):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n":
            raise PromptError(
                f"found the control character U+{ord(character):04X} at character {place} of "
                f"the {field}; wanted text: take it out"
            )


def _refuse_non_hash(value: str | None, field: str) -> None:
    if value is not None and not re.fullmatch(r"[0-9a-f]{64}", value):
        raise PromptError(f"found {value!r} as {field}; wanted the sha256 of its file, in hex")


def _prompt_id(text: str, image: str | None, mask: str | None) -> str:
    # NUL cannot occur in a prompt, so no text can look like another one with conditions.
    parts = (unicodedata.normalize("NFC", text), image or "", mask or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
