"""Find the texts whose ends a text tower of open_clip does not read.

The tokenizer of a tower silently cuts a text with more tokens than the tower takes, 77 for CLIP and
HPS. Two prompts that differ only after that get the same score.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.features.cards import FeatureCard, local_weights
from pipeline.errors import ModelError

CLIP_TOKENS = 77
"""Tokens that a text tower takes unless its configuration says otherwise."""


def cut_texts(card: FeatureCard, texts: Sequence[str]) -> list[str]:
    """List the texts whose ends a card's text tower does not read.

    Neither weights are loaded nor is anything downloaded: where that would be necessary to get the
    tokenizer, the list is empty. A token is at least one byte of a text, so short texts need no
    tokenizer at all.

    Args:
        card: The card.
        texts: The texts.

    Returns:
        Each text that is cut, once.
    """
    folder = _folder(card)
    limit = _context_length(folder) if folder else CLIP_TOKENS
    long = [text for text in dict.fromkeys(texts) if len(text.encode()) + 2 > limit]
    tokenizer = _tokenizer(card, folder) if long else None
    return [text for text in long if is_cut(tokenizer, text)] if tokenizer else []


def is_cut(tokenizer: Any, text: str) -> bool:  # noqa: ANN401 - open_clip has several
    """Whether a tokenizer of open_clip cuts a text: whether room for one more token changes it.

    Args:
        tokenizer: Called with texts and a context length, it returns the numbers of the tokens.
        text: The text.
    """
    limit = int(tokenizer.context_length)
    read = tokenizer([text])[0].tolist()
    more = tokenizer([text], context_length=limit + 1)[0].tolist()
    padding = tokenizer([""], context_length=limit + 1)[0].tolist()[-1]
    return bool(more != [*read, padding])


def _folder(card: FeatureCard) -> Path | None:
    """Find the folder of a tower on this machine; None for a single file or a missing folder."""
    try:
        weights = local_weights(card)
    except ModelError:  # the weights are missing, which measuring says
        return None
    return weights if weights is not None and weights.is_dir() else None


def _tokenizer(card: FeatureCard, folder: Path | None) -> Any:  # noqa: ANN401
    """Make the tokenizer; None if it is not on this machine."""
    import open_clip

    if folder:
        return open_clip.get_tokenizer(f"local-dir:{folder}")
    name = str(card.options.get("architecture", ""))
    config = open_clip.get_model_config(name) if name and ":" not in name else None
    if not config or config["text_cfg"].get("hf_tokenizer_name"):
        return None  # it would be downloaded
    return open_clip.get_tokenizer(name)


def _context_length(folder: Path) -> int:
    """Read how many tokens the tower in a folder takes."""
    try:
        config = json.loads((folder / "open_clip_config.json").read_bytes())
        return int(config["model_cfg"]["text_cfg"].get("context_length", CLIP_TOKENS))
    except (OSError, ValueError, KeyError):  # no tower of open_clip, which measuring says
        return CLIP_TOKENS
