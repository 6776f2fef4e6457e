"""Defines a prompt: its text, labels and conditions, and the id and set that follow from them."""

import dataclasses
import hashlib
import json
import re
import unicodedata
from typing import Any

from pipeline.errors import PromptError
from pipeline.prompts.prompt.fields import FIELDS, LABELS, parse_prompt_fields

MAX_CHARACTERS = 10_000
"""Length of the longest prompt, in characters: about a hundred times what a text encoder reads."""

_SET_SALT = "goldenseed prompt sets 1"


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
    r"""A prompt with its labels and conditions.

    Args:
        text: The text that the model gets. Blanks at both ends are stripped. There is no Unicode
            normalisation, because the tokenizer sees exactly these characters.
        object: The object that is asked for ("horse"), or None.
        modifier: What is said about the object ("red"; "" if it has no modifier), or None.
        group: Prompts of one group are dependent, and resampling draws whole groups. If empty, it
            is the normalised object, or else the normalised text.
        category: What kind of prompt it is ("animals"), to ask for some kinds only, or None.
        challenge: What makes it hard to draw ("counting"), or None.
        image: The sha256 of the condition image, 64 hex digits, or None.
        mask: The sha256 of the mask, or None.
        negative: A negative prompt for this prompt, which replaces the run's; None for the run's.

    Attributes:
        set: Set 1 chooses seeds, set 2 confirms them, set 3 is only used to report gains.
        id: 16 hex digits of the sha256 of the text's NFC form, the conditions' hashes, and the
            negative prompt if there is one.

    Raises:
        PromptError: If the text is empty or longer than `MAX_CHARACTERS`, if it contains half a
            surrogate pair or a control character other than tab and newline, or if a condition is
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
    category: str | None = dataclasses.field(default=None, kw_only=True)
    challenge: str | None = dataclasses.field(default=None, kw_only=True)
    image: str | None = dataclasses.field(default=None, kw_only=True)
    mask: str | None = dataclasses.field(default=None, kw_only=True)
    negative: str | None = dataclasses.field(default=None, kw_only=True)
    set: int = dataclasses.field(init=False)
    id: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        text = _checked_text(self.text)
        for name in ("object", "modifier", "group", *LABELS):
            _refuse_controls(getattr(self, name) or "", name)
        for name in ("image", "mask"):
            _refuse_non_hash(getattr(self, name), name)
        negative = _checked_negative(self.negative)
        identity = _prompt_id(text, self.image, self.mask, negative)
        derived = {
            "text": text,
            "negative": negative,
            "group": self.group.strip() or normalise(self.object or text),
            **{name: (getattr(self, name) or "").strip() or None for name in LABELS},
            "set": set_of(identity),
            "id": identity,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def to_json(self) -> str:
        """Write the prompt as one line of JSON, without the newline; labels only if it has them.

        Example:
            >>> Prompt.from_json(Prompt("a bowl").to_json()) == Prompt("a bowl")
            True
        """
        fields = {name: getattr(self, name) for name in FIELDS}
        optional = (*LABELS, "negative")  # files of prompts without any stay as they were
        fields = {k: v for k, v in fields.items() if v is not None or k not in optional}
        return json.dumps(fields, ensure_ascii=False)

    @staticmethod
    def from_json(line: str) -> "Prompt":
        """Read a prompt from one line of JSON.

        Args:
            line: An object with `text` (or `prompt`), and any of object, modifier, group, image
                and mask. It may have `id` and `set`, which must then be correct.

        Raises:
            PromptError: If the line is not such an object. The message names the field.
        """
        return prompt_from_fields(parse_prompt_fields(line))


def normalise(text: str) -> str:
    r"""Normalise case, blanks and Unicode form of a text.

    Example:
        >>> normalise("A  red\tHorse ")
        'a red horse'
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def set_of(prompt_id: str) -> int:
    """Give the set of a prompt: 1 for 40 %, 2 for 40 %, 3 for 20 % of all ids.

    The set depends only on the id and a fixed salt, so growing a prompt file never moves a prompt.
    It is independent of the order of the ids, by which the first n prompts of a set are taken.

    Example:
        >>> [set_of(name) for name in ("a", "b", "c", "d")]
        [3, 2, 1, 1]
    """
    digest = hashlib.sha256(f"{_SET_SALT}:{prompt_id}".encode()).digest()
    tenth = int.from_bytes(digest[:8], "big") * 10 >> 64
    return 1 + (tenth >= 4) + (tenth >= 8)


def prompt_from_fields(fields: dict[str, Any]) -> Prompt:
    """Make a prompt from its fields; an id or set among them must be correct.

    Raises:
        PromptError: If the fields make no valid prompt (see `Prompt`), or id or set are wrong.
    """
    names = ("object", "modifier", *LABELS, "image", "mask", "negative")
    labels = {name: fields.get(name) for name in names}
    prompt = Prompt(fields["text"], group=fields.get("group") or "", **labels)
    for name in ("id", "set"):
        stated, correct = fields.get(name), getattr(prompt, name)
        if stated is not None and stated != correct:
            raise PromptError(
                f"found {name} {stated!r}, but the text gives {correct!r}; leave the field out"
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


def _checked_negative(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    return _checked_text(text)


def _refuse_controls(text: str, field: str) -> None:
    for position, character in enumerate(text, start=1):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n":
            raise PromptError(
                f"found the control character U+{ord(character):04X} at character {position} of "
                f"the {field}; wanted text: remove it"
            )


def _refuse_non_hash(value: str | None, field: str) -> None:
    if value is not None and not re.fullmatch(r"[0-9a-f]{64}", value):
        raise PromptError(f"found {value!r} as {field}; wanted the sha256 of its file, in hex")


def _prompt_id(text: str, image: str | None, mask: str | None, negative: str | None) -> str:
    # NUL cannot occur in a prompt, so a text never equals another text with conditions.
    parts = [unicodedata.normalize("NFC", text), image or "", mask or ""]
    parts += [unicodedata.normalize("NFC", negative)] if negative else []
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
