"""Pretrain a text encoder on sentences before it is trained with the noise predictor.

A noise predictor learns slowly from an untrained encoder. A few hundred steps of predicting the
parts of sentences give the encoder states that already distinguish objects, colours, places and
tones.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from seedling.files import CHECKPOINTS
from seedling.learning.loop import Budget, Loop
from seedling.networks.model import TEXT_WIDTH
from seedling.networks.tokenizer import token_ids
from seedling.randomness import choose, make_generator
from seedling.world.sentences import draw_parts, sentence
from seedling.world.vocabulary import COLOURS, PLACES, THINGS, TONES

CHOICES = (len(THINGS), len(COLOURS) + 1, len(PLACES) + 1, len(TONES) + 1)
"""Number of labels of each part; the last label of each means that the part is not named."""


def reading_loss(head: nn.Linear, states: Tensor, parts: Tensor) -> Tensor:
    """Loss of predicting the parts of sentences from the mean of their states.

    Args:
        head: Linear layer from the states' width to all labels of all parts.
        states: float32 (B, 24, 128).
        parts: int64 (B, 4), `FREE` where not named.

    Returns:
        A scalar, the sum of four cross-entropies.
    """
    predictions = head(states.mean(1)).split(CHOICES, dim=1)
    free = torch.tensor(CHOICES) - 1
    labels = torch.where(parts < 0, free, parts)
    losses = [
        functional.cross_entropy(logits, labels[:, column])
        for column, logits in enumerate(predictions)
    ]
    return torch.stack(losses).sum()


def teach(
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    *,
    steps: int = 600,
    seed: int,
    name: str,
    batch: int = 64,
    folder: Path = CHECKPOINTS,
) -> None:
    """Train an encoder in place to predict the parts of sentences, or load a finished training.

    Args:
        text_encoder: The encoder.
        tokenizer: The encoder's tokenizer.
        steps: Number of steps.
        seed: Seed of the sentences.
        name: Name of the checkpoint.
        batch: Sentences per step.
        folder: Folder of the checkpoint.
    """
    generator = make_generator(seed)
    head = nn.Linear(TEXT_WIDTH, sum(CHOICES))
    modules: dict[str, nn.Module] = {"text": text_encoder, "head": head}
    budget = Budget(minutes=600.0, rate=1e-3, steps=steps)
    loop = Loop(name, modules, budget, generator, folder=folder)
    while loop.running():
        parts = draw_parts(batch, generator=generator)
        variants = choose(batch, 6, generator=generator).tolist()
        prompts = [
            sentence(row, variant=variant)
            for row, variant in zip(parts.tolist(), variants, strict=True)
        ]
        states = text_encoder(token_ids(tokenizer, prompts)).last_hidden_state
        loop.step(reading_loss(head, states, parts))
    loop.finish()
