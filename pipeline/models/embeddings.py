"""Teaches the text encoders of a pipeline new words: textual inversions."""

from typing import Any

import torch
from safetensors.torch import load_file

from pipeline.cards.card import Card, ResolvedCard
from pipeline.errors import ModelError

ENCODERS = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
"""Name of a tensor in files for SDXL -> the text encoder that it is for."""


def add_embeddings(pipe: Any, card: Card, resolved: ResolvedCard) -> None:  # noqa: ANN401
    """Add a card's textual inversions to the tokenizers and text encoders of its pipeline.

    Args:
        pipe: The pipeline.
        card: Its card.
        resolved: The files.

    Raises:
        ModelError: If the pipeline takes none, or a file is none or of another width.
    """
    for embedding, file in zip(card.embeddings, resolved.embeddings, strict=True):
        who = f"card {card.name}: {file}"
        if not hasattr(pipe, "load_textual_inversion"):
            raise ModelError(f"{who}: {type(pipe).__name__} takes no textual inversion; remove it")
        for encoder, vectors in _vectors(pipe, load_file(file), who).items():
            try:
                pipe.load_textual_inversion(
                    vectors,
                    token=embedding.token,
                    text_encoder=getattr(pipe, encoder),
                    tokenizer=getattr(pipe, encoder.replace("text_encoder", "tokenizer")),
                )
            except ValueError as error:
                raise ModelError(f"{who} cannot be added: {error}") from error


def _vectors(
    pipe: Any,  # noqa: ANN401
    tensors: dict[str, torch.Tensor],
    who: str,
) -> dict[str, torch.Tensor]:
    """Give text encoder -> its vectors, shape (n, width)."""
    found = {ENCODERS.get(name, "text_encoder"): tensor for name, tensor in tensors.items()}
    for encoder, vectors in found.items():
        network = getattr(pipe, encoder, None)
        width = network.get_input_embeddings().weight.shape[1] if network is not None else 0
        if len(found) != len(tensors) or vectors.ndim > 2 or vectors.shape[-1] != width:
            shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
            raise ModelError(
                f"{who} is no textual inversion for this model: it holds {shapes}, and the "
                f"{encoder} of {type(pipe).__name__} has width {width}; take one for this family"
            )
    return {name: vectors.reshape(-1, vectors.shape[-1]) for name, vectors in found.items()}
