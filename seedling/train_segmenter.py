"""Train the segmenter on the world's exact masks: `python -m seedling.train_segmenter`."""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPSegForImageSegmentation

from seedling import segmenter
from seedling.preference import tokens
from seedling.randomness import choose, happens, make_generator
from seedling.sentences import draw_parts
from seedling.tokenizer import new_tokenizer
from seedling.train_perceptual import augmented
from seedling.training import CHECKPOINTS, Budget, Loop
from seedling.vocabulary import OBJECTS
from seedling.world import Scenes, draw_scenes

ABSENT_RATE = 0.15
"""How often the word is of an object that is not in the picture."""


def ask(scenes: Scenes, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose an object word for each scene, and the mask that answers it.

    Args:
        scenes: B scenes.
        generator: The source of randomness.

    Returns:
        int64 (B,), positions in `OBJECTS`; bool (B, 64, 64). The mask is empty where the word is
        of another object, and in every extreme scene, which shows none.
    """
    thing = scenes.specs.thing
    count, options = len(thing), len(OBJECTS)
    other = (thing + 1 + choose(count, options - 1, generator=generator)) % options
    absent = happens(count, ABSENT_RATE, generator=generator) | (thing >= options)
    return torch.where(absent, other, thing), scenes.masks & ~absent[:, None, None]


def train(
    *, budget: Budget, seed: int = 41, batch: int = 64, folder: Path = CHECKPOINTS
) -> CLIPSegForImageSegmentation:
    """Train, or go on with a training that was cut off.

    Args:
        budget: How long, and the learning rate.
        seed: Seed of the scenes; the first weights are from torch's own stream.
        batch: Scenes a step.
        folder: Where the checkpoint `segmenter.pt` goes.

    Returns:
        The segmenter in eval mode.
    """
    tokenizer = new_tokenizer()
    words = tokens(tokenizer, [segmenter.TEMPLATE.format(word) for word in OBJECTS])
    words = words[:, : int((words != tokenizer.eos_token_id).sum(dim=1).max()) + 1]
    network = segmenter.new_segmenter(tokenizer)
    generator = make_generator(seed)
    loop = Loop("segmenter", {"segmenter": network}, budget, generator, folder=folder)
    while loop.running():
        scenes = draw_scenes(draw_parts(batch, generator=generator), generator=generator)
        asked, masks = ask(scenes, generator=generator)
        images = augmented(scenes.images, generator=generator)
        loop.step(segmenter.mask_loss(segmenter.logits(network, images, words[asked]), masks))
    loop.finish()
    return network.eval()


def main() -> None:
    """Run from the command line and publish the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    chosen = parser.parse_args()
    budget = Budget(chosen.minutes, chosen.rate)
    segmenter.publish(train(budget=budget, seed=chosen.seed, folder=chosen.folder))


if __name__ == "__main__":
    main()
