"""Train the segmenter on the world's exact masks: `python -m seedling.train.segmenter`."""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPSegForImageSegmentation

from seedling.learning.degrade import augmented
from seedling.learning.loop import CHECKPOINTS, Budget, Loop
from seedling.networks import segmenter
from seedling.networks.preference import HIGHEST_SCALE, tokens
from seedling.networks.tokenizer import new_tokenizer
from seedling.randomness import choose, happens, make_generator
from seedling.world.scenes import Scenes, draw_scenes
from seedling.world.sentences import FREE, draw_parts
from seedling.world.vocabulary import OBJECTS

ABSENT_RATE = 0.35
"""How often the word is of an object that is not in the picture, at the end of the training. At
first it never is: whoever cannot draw a mask yet learns from such words to draw none."""
NAMING_WEIGHT = 1.0
"""Weight of naming the object beside finding its mask. Without it the network found the object
that there was, whatever the word: 4,100 steps left it no wiser."""


def ask(
    scenes: Scenes, *, generator: torch.Generator, absent_rate: float = ABSENT_RATE
) -> tuple[Tensor, Tensor]:
    """Choose an object word for each scene, and the mask that answers it.

    Args:
        scenes: B scenes.
        generator: The source of randomness.
        absent_rate: How often the word is of another object.

    Returns:
        int64 (B,), positions in `OBJECTS`; bool (B, 64, 64). The mask is empty where the word is
        of another object, and in every extreme scene, which shows none.
    """
    thing = scenes.specs.thing
    count, options = len(thing), len(OBJECTS)
    other = (thing + 1 + choose(count, options - 1, generator=generator)) % options
    absent = happens(count, absent_rate, generator=generator) | (thing >= options)
    return torch.where(absent, other, thing), scenes.masks & ~absent[:, None, None]


def naming_loss(
    network: CLIPSegForImageSegmentation, pooled: Tensor, words: Tensor, thing: Tensor
) -> Tensor:
    """Cross-entropy of naming the object among all words by CLIP's own cosine.

    CLIPSeg's towers are a trained CLIP's (Lueddecke and Ecker 2022, arXiv:2112.10003, section 3);
    ours are trained along with the masks.

    Args:
        network: The segmenter, whose towers name.
        pooled: float32 (B, D), the vision tower's summary of the pictures.
        words: int64 (40, T), the tokens of all words.
        thing: int64 (B,), what the scenes show; extreme scenes do not count.

    Returns:
        A scalar.
    """
    towers = network.clip
    seen = towers.visual_projection(pooled)
    told = towers.get_text_features(words, attention_mask=segmenter.mask_of(words, network))
    factor = towers.logit_scale.clamp(max=HIGHEST_SCALE).exp()
    cosines = functional.normalize(seen) @ functional.normalize(told.pooler_output).T
    wanted = torch.where(thing < len(OBJECTS), thing, FREE)
    return functional.cross_entropy(factor * cosines, wanted, ignore_index=FREE)


def train(
    *, budget: Budget, fine: Budget, seed: int = 41, folder: Path = CHECKPOINTS
) -> CLIPSegForImageSegmentation:
    """Train in coarse patches, then in fine ones, or go on with a training that was cut off.

    Args:
        budget: How long in coarse patches, and the learning rate.
        fine: The same in fine ones.
        seed: Seed of the scenes; the first weights are from torch's own stream.
        folder: Where the checkpoints `segmenter-coarse.pt` and `segmenter.pt` go.

    Returns:
        The segmenter in eval mode.
    """
    tokenizer = new_tokenizer()
    coarse = segmenter.new_segmenter(tokenizer)
    fit(coarse, "segmenter-coarse", 32, budget=budget, seed=seed, folder=folder, learned=False)
    network = segmenter.in_finer_patches(coarse, tokenizer)
    fit(network, "segmenter", 16, budget=fine, seed=seed + 1, folder=folder, learned=True)
    return network.eval()


def fit(
    network: CLIPSegForImageSegmentation,
    name: str,
    batch: int,
    *,
    budget: Budget,
    seed: int,
    folder: Path,
    learned: bool,
) -> None:
    """Train a segmenter.

    Args:
        network: It is changed.
        name: Name of the checkpoint.
        batch: Scenes a step.
        budget: How long, and the learning rate.
        seed: Seed of the scenes.
        folder: Where the checkpoint goes.
        learned: Whether it can draw masks, so that words of absent objects may come at once.
    """
    words = all_words()
    generator = make_generator(seed)
    loop = Loop(name, {"segmenter": network}, budget, generator, folder=folder, muon=True)
    while loop.running():
        scenes = draw_scenes(draw_parts(batch, generator=generator), generator=generator)
        share = budget.share(step=loop.steps_done, elapsed=loop.elapsed)
        rate = ABSENT_RATE * (1.0 if learned else min(1.0, 2 * share))
        asked, masks = ask(scenes, generator=generator, absent_rate=rate)
        seen = segmenter.look(network, augmented(scenes.images, generator=generator))
        found = segmenter.mask_loss(segmenter.answer(network, seen, words[asked]), masks)
        named = naming_loss(network, seen.pooler_output, words, scenes.specs.thing)
        loop.step(found + NAMING_WEIGHT * named)
    loop.finish()


def all_words() -> Tensor:
    """Tokens of what the segmenter is told of each object, int64 (40, T)."""
    tokenizer = new_tokenizer()
    words = tokens(tokenizer, [segmenter.TEMPLATE.format(word) for word in OBJECTS])
    return words[:, : int((words != tokenizer.eos_token_id).sum(dim=1).max()) + 1]


def main() -> None:
    """Run from the command line and publish the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=78.0)
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--fine-minutes", type=float, default=62.0)
    parser.add_argument("--fine-rate", type=float, default=8e-4)
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    chosen = parser.parse_args()
    budget = Budget(chosen.minutes, chosen.rate)
    fine = Budget(chosen.fine_minutes, chosen.fine_rate)
    segmenter.publish(train(budget=budget, fine=fine, seed=chosen.seed, folder=chosen.folder))


if __name__ == "__main__":
    main()
