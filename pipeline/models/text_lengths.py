"""Counts the tokens of a text that the text encoders of a pipeline do not read."""

from collections.abc import Mapping
from typing import Any

LONGEST = 1 << 20
"""Tokens of a text that is certainly too long; transformers writes 10^30 for "no limit known"."""


def tokens_cut(
    pipe: Any,  # noqa: ANN401 - pipes have no common type
    text: str,
    limits: Mapping[str, int],
) -> dict[str, int]:
    """Count the tokens of a text that each text encoder of a pipe does not read.

    A model with several encoders often reads a long text with one of them only: CLIP's reads 77
    tokens where T5's reads 512. Its image then depends on the end of the text less than on the
    start, so each encoder counts.

    Args:
        pipe: A pipeline of diffusers, or anything with its components as attributes.
        text: A prompt or a negative prompt.
        limits: Name of a tokenizer -> number of tokens that are read, where that is not the
            tokenizer's own limit.

    Returns:
        Name of each tokenizer -> tokens cut off; 0 if all are read.

    Example:
        >>> from types import SimpleNamespace as Name
        >>> class Letters:
        ...     model_max_length = 4
        ...     def __call__(self, text, **_):
        ...         return Name(input_ids=list(text))
        >>> pipe = Name(tokenizer=Letters(), tokenizer_2=Letters())
        >>> tokens_cut(pipe, "abcdef", {"tokenizer_2": 6})
        {'tokenizer': 2, 'tokenizer_2': 0}
    """
    counts = {}
    for name in _tokenizers(pipe):
        tokenizer = getattr(pipe, name)
        limit = limits.get(name) or min(int(tokenizer.model_max_length), LONGEST)
        # A textual inversion of several vectors is one word of the text and several tokens.
        written = pipe.maybe_convert_prompt(text, tokenizer) if _learns_words(pipe) else text
        tokens: list[int] = tokenizer(written, truncation=False, verbose=False).input_ids
        counts[name] = max(0, len(tokens) - limit)
    return counts


def longest_cut(pipe: Any, text: str) -> int:  # noqa: ANN401
    """Count the tokens that the encoder with the shortest limit does not read; see `tokens_cut`."""
    return max(tokens_cut(pipe, text, {}).values(), default=0)


def _learns_words(pipe: Any) -> bool:  # noqa: ANN401
    return hasattr(pipe, "maybe_convert_prompt")


def _tokenizers(pipe: Any) -> list[str]:  # noqa: ANN401
    """List the tokenizers of a pipe whose encoders are loaded; pipelines may lack some encoders."""
    components = getattr(pipe, "components", None) or vars(pipe)
    encoder = {name: name.replace("tokenizer", "text_encoder") for name in components}
    return [
        name
        for name, part in components.items()
        if "tokenizer" in name
        and part is not None
        and components.get(encoder[name], True) is not None
    ]
