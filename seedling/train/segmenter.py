"""Train the segmenter on the world's exact masks: `python -m seedling.train.segmenter`."""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPSegForImageSegmentation

from seedling.files import CHECKPOINTS
from seedling.learning.degrade import augmented
from seedling.learning.loop import Budget, Loop
from seedling.networks import segmenter
from seedling.networks.preference import HIGHEST_SCALE, tokens
from seedling.networks.tokenizer import new_tokenizer
from seedling.randomness import choose, happens, make_generator
from seedling.world.scenes import Scenes, draw_scenes
from seedling.world.sentences import FREE, draw_parts
from seedling.world.vocabulary import OBJECTS

ABSENT_RATE = 0.35
"""How often the word names an absent object at the end of the training. At first it never does: a
network that cannot yet predict masks would learn from such words to predict none."""
NAMING_WEIGHT = 1.0
"""Weight of the loss of naming the object, relative to the mask's. Without it, even after 4,100
steps, the network segmented the visible object whatever the word was."""


def draw_words(
    scenes: Scenes, *, generator: torch.Generator, absent_rate: float = ABSENT_RATE
) -> tuple[Tensor, Tensor]:
    """Choose an object word for each scene, and the mask of that object.

    Args:
        scenes: B scenes.
        generator: The source of randomness.
        absent_rate: How often the word names another object.

    Returns:
        The words, int64 (B,), indices into `OBJECTS`; the masks, bool (B, 64, 64). A mask is
        empty if the word names another object, and in every extreme scene, which shows none.
    """
    thing = scenes.specs.thing
    count, options = len(thing), len(OBJECTS)
    other = (thing + 1 + choose(count, options - 1, generator=generator)) % options
    absent = happens(count, absent_rate, generator=generator) | (thing >= options)
    return torch.where(absent, other, thing), scenes.masks & ~absent[:, None, None]


def naming_loss(
    network: CLIPSegForImageSegmentation, pooled: Tensor, words: Tensor, thing: Tensor
) -> Tensor:
    """Cross-entropy of naming the object among all words by CLIP's cosine.

    CLIPSeg's towers come from a trained CLIP (Lueddecke and Ecker 2022, arXiv:2112.10003, section
    3); ours are trained together with the masks.

    Args:
        network: The segmenter.
        pooled: float32 (B, D), the pooled output of the vision tower.
        words: int64 (40, T), the tokens of all words.
        thing: int64 (B,), labels of the scenes' objects; extreme scenes do not count.

    Returns:
        A scalar.
    """
    towers = network.clip
    images = towers.visual_projection(pooled)
    texts = towers.get_text_features(words, attention_mask=segmenter.attention_mask(words, network))
    factor = towers.logit_scale.clamp(max=HIGHEST_SCALE).exp()
    cosines = functional.normalize(images) @ functional.normalize(texts.pooler_output).T
    labels = torch.where(thing < len(OBJECTS), thing, FREE)
    return functional.cross_entropy(factor * cosines, labels, ignore_index=FREE)


def train(
    *, budget: Budget, fine: Budget, seed: int = 41, folder: Path = CHECKPOINTS
) -> CLIPSegForImageSegmentation:
    """Train with coarse, then with fine patches, or resume an interrupted training.

    Args:
        budget: How long with coarse patches, and the learning rate.
        fine: How long with fine patches, and the learning rate.
        seed: Seed of the scenes; initial weights come from torch's global stream.
        folder: Folder of the checkpoints `segmenter-coarse.pt` and `segmenter.pt`.

    Returns:
        The segmenter in eval mode.
    """
    tokenizer = new_tokenizer()
    coarse = segmenter.new_segmenter(tokenizer)
    fit(coarse, "segmenter-coarse", 32, budget=budget, seed=seed, folder=folder, learned=False)
    network = segmenter.with_finer_patches(coarse, tokenizer)
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
        network: The segmenter; it is changed.
        name: Name of the checkpoint.
        batch: Scenes per step.
        budget: How long, and the learning rate.
        seed: Seed of the scenes.
        folder: Folder of the checkpoint.
        learned: Whether it can already predict masks, so that words may name absent objects from
            the first step.
    """
    words = all_words()
    generator = make_generator(seed)
    loop = Loop(name, {"segmenter": network}, budget, generator, folder=folder, muon=True)
    while loop.running():
        scenes = draw_scenes(draw_parts(batch, generator=generator), generator=generator)
        share = budget.share(step=loop.steps_done, elapsed=loop.elapsed)
        rate = ABSENT_RATE * (1.0 if learned else min(1.0, 2 * share))
        labels, masks = draw_words(scenes, generator=generator, absent_rate=rate)
        encoded = segmenter.encode_images(network, augmented(scenes.images, generator=generator))
        loss = segmenter.mask_loss(segmenter.mask_logits(network, encoded, words[labels]), masks)
        naming = naming_loss(network, encoded.pooler_output, words, scenes.specs.thing)
        loop.step(loss + NAMING_WEIGHT * naming)
    loop.finish()


def all_words() -> Tensor:
    """Tokenise the text of each object, int64 (40, T)."""
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
    options = parser.parse_args()
    budget = Budget(options.minutes, options.rate)
    fine = Budget(options.fine_minutes, options.fine_rate)
    segmenter.publish(train(budget=budget, fine=fine, seed=options.seed, folder=options.folder))


if __name__ == "__main__":
    main()
