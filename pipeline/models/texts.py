"""Lets a pipeline encode each text once, however many images are drawn for it.

A tile draws the same prompts with many seeds, so a batch often holds one prompt many times, and the
next batch holds it again. A pipeline would encode each copy anew. A text that is encoded alone
also gives embeddings that do not depend on the other prompts of its batch.
"""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

ENCODED_PROMPTS = 64
"""Prompts whose embeddings a pipeline keeps. Those of a large text encoder take 8 MB each."""

Encode = Callable[..., Any]


def encode_once(pipe: Any) -> None:  # noqa: ANN401 - diffusers is untyped
    """Let a pipeline remember what `encode_prompt` returned for each text.

    A pipeline without that method is left alone.

    Args:
        pipe: The pipeline, which is changed.
    """
    encode = getattr(pipe, "encode_prompt", None)
    if encode is not None:
        pipe.encode_prompt = Remembered(encode, ENCODED_PROMPTS)


class Remembered:
    """A pipeline's `encode_prompt` that encodes each text alone, and only once.

    Args:
        encode: The method.
        most: Texts that are kept, those that were used last.

    Example:
        >>> def encode(prompt, device=None):
        ...     return torch.tensor([[len(text)] for text in prompt]), None
        >>> Remembered(encode, 8)(["ball", "ball", "cat"])
        (tensor([[4],
                [4],
                [3]]), None)
    """

    def __init__(self, encode: Encode, most: int) -> None:
        self._encode, self._most = encode, most
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._signature = inspect.signature(encode)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the method's own
        """Encode a batch; arguments and result are those of the method."""
        arguments = self._signature.bind(*args, **kwargs).arguments
        count = _texts(arguments)
        whole = partial(self._encode, **arguments)
        if not count or any(isinstance(value, torch.Tensor) for value in arguments.values()):
            return whole()
        each = [self._one(_of_cell(arguments, count, place)) for place in range(count)]
        return _together(each) if _fit(each) else whole()

    def _one(self, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401
        key = repr(sorted(arguments.items()))
        if key not in self._known:
            self._known[key] = self._encode(**arguments)
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return self._known[key]


def _texts(arguments: Mapping[str, Any]) -> int:
    """Number of prompts of a call; 0 unless they come as a list."""
    prompts = arguments.get("prompt")
    return len(prompts) if isinstance(prompts, list) else 0


def _of_cell(arguments: Mapping[str, Any], count: int, place: int) -> dict[str, Any]:
    """The arguments of one prompt of a call; lists of one text for each prompt are divided."""
    return {
        name: [value[place]] if isinstance(value, list) and len(value) == count else value
        for name, value in arguments.items()
    }


def _fit(each: Sequence[Any]) -> bool:
    """Whether the results of single prompts can be joined: none is longer than another.

    Some pipelines pad to the longest prompt of a batch, and only they know how.
    """
    return len({_shapes(result) for result in each}) == 1


def _shapes(result: Any) -> Any:  # noqa: ANN401
    if isinstance(result, tuple):
        return tuple(_shapes(part) for part in result)
    if isinstance(result, torch.Tensor):
        return tuple(result.shape)
    return type(result)


def _together(each: Sequence[Any]) -> Any:  # noqa: ANN401
    """Join the results of single prompts.

    A tensor without an axis for the prompts, as the positions of Flux's tokens, is the same for
    all.
    """
    first = each[0]
    if isinstance(first, tuple):
        return tuple(_together(parts) for parts in zip(*each, strict=True))
    if isinstance(first, list):
        return [item for part in each for item in part]
    if isinstance(first, torch.Tensor) and first.ndim and first.shape[0] == 1:
        return torch.cat(list(each))
    return first
