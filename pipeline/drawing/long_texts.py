"""Refuses texts whose end a text encoder would cut off."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from pipeline.errors import PromptError, counted
from pipeline.models.base import NamesEncoders
from pipeline.prompts.prompt_sets import Prompt


class Encoders(Protocol):
    """Counts the tokens that are not read: a model, or its tokenizers alone."""

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens that the encoder with the shortest limit does not read."""
        ...


def refuse_long(model: Encoders, texts: Sequence[str], negative: str) -> None:
    """Refuse prompts, or a negative prompt, that a text encoder does not read to the end.

    Args:
        model: The model, or its tokenizers.
        texts: The prompts' texts.
        negative: The negative prompt; empty if there is none.

    Raises:
        PromptError: If there are any. The message says how many, names the first, and says which
            encoder cuts it.
    """
    long = [text for text in texts if model.truncated_tokens(text)]
    if long:
        count = counted(len(long), "prompt is", "prompts are")
        raise PromptError(f"{count} {_words(model, long[0])}")
    if negative and model.truncated_tokens(negative):
        raise PromptError(f"the negative prompt is {_words(model, negative)}")


def texts_of(prompts: Iterable[Prompt]) -> list[str]:
    """List the texts of prompts, and the negative prompts of those that have one."""
    return [text for prompt in prompts for text in (prompt.text, prompt.negative) if text]


def _words(model: Encoders, text: str) -> str:
    return (
        f"longer than the text encoder reads: {text[:60]!r} is "
        f"{counted(model.truncated_tokens(text), 'token')} too long{_encoders(model, text)}. "
        f"Shorten what is too long, or set `long_prompts: cut` in the recipe to draw without the "
        f"ends; each row then counts the tokens that were cut off"
    )


def _encoders(model: Encoders, text: str) -> str:
    """Say what each of several encoders cuts off; empty for a model with one."""
    cuts = model.tokens_cut(text) if isinstance(model, NamesEncoders) else {}
    if len(cuts) < 2:
        return ""
    words = [f"{name} {f'cuts off {cut}' if cut else 'reads it all'}" for name, cut in cuts.items()]
    return f" ({', '.join(words)})"
