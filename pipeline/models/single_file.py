"""Loads a pipeline from a checkpoint that is one file, with configs that ship; no network."""

import gzip
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import CLIPTokenizer

from pipeline.cards.card import Card, ResolvedCard
from pipeline.cards.card_parts import Part
from pipeline.cards.facts.kinds import INSIDE, networks_inside
from pipeline.cards.facts.tensors import read_tensor_list
from pipeline.cards.json_files import components, read_object
from pipeline.cards.single_files import config_folder
from pipeline.errors import ModelError
from pipeline.settings.config import RunConfig

MERGES = 49152 - 256 - 2
"""Merges of CLIP's vocabulary: its size without the bytes and the two special tokens."""

CLIP_TOKENS = 77

VOCABULARIES = ("vocab.json", "tokenizer.json")
"""Files of which a tokenizer's folder has at least one."""


def load_file(
    kind: Any,  # noqa: ANN401 - diffusers is untyped
    card: Card,
    resolved: ResolvedCard,
    config: RunConfig,
    given: Mapping[str, Any],
) -> Any:  # noqa: ANN401
    """Load a pipeline from the card's single file.

    Args:
        kind: The pipeline's class.
        card: The card, for messages.
        resolved: Its file, and the folder of its configs.
        config: The run's dtype.
        given: Components that are loaded already.

    Raises:
        ModelError: If the file lacks a network that the card does not provide, or does not fit.
    """
    _refuse_missing_networks(card, resolved, given)
    every = {**_tokenizers(resolved.folder, given), **given}
    try:
        pipe = kind.from_single_file(
            str(resolved.file),
            config=str(resolved.folder),
            torch_dtype=getattr(torch, config.dtype),
            local_files_only=True,
            **every,
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"card {card.name}: {resolved.file} does not load as {card.config}: {error}"
        ) from error
    _refuse_missing_tensors(card, resolved, pipe)
    return pipe


def load_component(cls: Any, file: Path, part: Part, config: RunConfig) -> Any:  # noqa: ANN401
    """Load one component from a file of its own.

    Args:
        cls: Its class.
        file: The file.
        part: The part of the card, which names its configuration.
        config: The run's dtype.

    Raises:
        ModelError: If the file lacks tensors.
    """
    read_tensor_list(file)
    component = cls.from_single_file(
        str(file),
        config=str(config_folder(part.config)),
        subfolder=part.component,
        torch_dtype=getattr(torch, config.dtype),
        local_files_only=True,
    )
    missing = [key for key, tensor in component.named_parameters() if tensor.is_meta]
    if missing:
        raise ModelError(f"{file} lacks {len(missing):,} tensors, for example {missing[0]}")
    return component


def _refuse_missing_networks(card: Card, resolved: ResolvedCard, given: Mapping[str, Any]) -> None:
    """Refuse a file without a network that the card's parts do not provide either."""
    inside = networks_inside(read_tensor_list(Path(str(resolved.file))))
    named = [name for name in components(resolved.folder) if name in INSIDE]
    missing = [name for name in named if name not in inside and name not in given]
    if missing:
        raise ModelError(
            f"card {card.name}: {resolved.file} holds no {', '.join(missing)}, and neither do the "
            f"card's `parts`; `goldenseed init --base FOLDER` writes them"
        )


def _refuse_missing_tensors(card: Card, resolved: ResolvedCard, pipe: Any) -> None:  # noqa: ANN401
    """Refuse a file without all tensors of a network; the library leaves such tensors empty."""
    for name, part in pipe.components.items():
        if isinstance(part, torch.nn.Module):
            missing = [key for key, tensor in part.named_parameters() if tensor.is_meta]
            if missing:
                raise ModelError(
                    f"card {card.name}: {resolved.file} lacks {len(missing):,} tensors of {name}, "
                    f"for example {missing[0]}: it is not whole, or not of the kind {card.config}"
                )


def _tokenizers(configs: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Make the tokenizers of CLIP that the configs name without their vocabulary."""
    made = {}
    for name, kind in read_object(configs / "model_index.json").items():
        is_clip = isinstance(kind, list) and str(kind[1]).startswith("CLIPTokenizer")
        has_words = any((configs / name / file).is_file() for file in VOCABULARIES)
        if is_clip and name not in given and not has_words:
            settings = read_object(configs / name / "tokenizer_config.json")
            made[name] = clip_tokenizer(str(settings["pad_token"]))
    return made


def clip_tokenizer(pad: str) -> CLIPTokenizer:
    """Make CLIP's tokenizer from the vocabulary that ships with open_clip.

    Args:
        pad: The token that fills a text up.

    Example:
        >>> clip_tokenizer("!")("a photo").input_ids[:4]
        [49406, 320, 1125, 49407]
    """
    vocabulary, merges = _clip_vocabulary()
    return CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=CLIP_TOKENS, pad_token=pad
    )


def _clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Read the vocabulary: letters, letters that end a word, merges, and two special tokens."""
    package = importlib.util.find_spec("open_clip")
    folder = Path(str(package.origin)).parent if package else Path()
    lines = gzip.decompress((folder / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode()
    pairs = [line.split() for line in lines.split("\n")[1 : MERGES + 1]]
    merges = [(first, second) for first, second in pairs]
    letters = _letters()
    words = [*letters, *(f"{c}</w>" for c in letters), *(a + b for a, b in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: number for number, word in enumerate(words)}, merges


def _letters() -> list[str]:
    """Give a printable letter for each byte, in the order of OpenAI's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
