"""Train the judges of picture and prompt: `python -m seedling.train_preference`.

First `clip`, which tells which sentence belongs to which scene; then `preference`, from there, on
pairs of pictures of one prompt. Each part goes on where it was cut off.
"""

import argparse
import copy
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from seedling import preference
from seedling.degrade import draw_full_parts, draw_pairs, load_vae
from seedling.extremes import is_extreme
from seedling.randomness import choose, happens, make_generator
from seedling.sentences import FREE, draw_parts, sentence
from seedling.tokenizer import new_tokenizer
from seedling.train_perceptual import augmented
from seedling.training import CHECKPOINTS, Budget, Loop
from seedling.vocabulary import OBJECTS
from seedling.world import draw_scenes

ALIKE = 16
"""Scenes of a batch that name one colour, place and tone, so that only their objects tell their
sentences apart. Among scenes drawn each for itself colour, place and tone suffice: a network so
trained found 91 of 100 sentences and knew 15 % of the objects."""
UNSAID_RATE = 0.15
"""How often a sentence leaves out the colour or the place of its scene, each for itself."""
MATCH_WEIGHT = 1.0
"""Weight of the contrastive loss beside that of the pairs."""


def draw_alike(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw what sentences name, `ALIKE` in a row of one colour, place and tone.

    Args:
        count: How many, a multiple of `ALIKE`.
        generator: The source of randomness.

    Returns:
        int64 (count, 4), the objects of a row all different. Extreme scenes stay as they are.
    """
    parts = draw_parts(count, generator=generator, named=1.0)
    things = [torch.randperm(len(OBJECTS), generator=generator) for _ in range(count // ALIKE)]
    alike = draw_full_parts(count // ALIKE, generator=generator).repeat_interleave(ALIKE, dim=0)
    alike[:, 0] = torch.cat([order[:ALIKE] for order in things])
    return torch.where(is_extreme(parts[:, :1]), parts, alike)


def draw_sentences(parts: Tensor, *, generator: torch.Generator) -> list[str]:
    """Say what scenes show, now and then without colour or place, in any of the wordings.

    Args:
        parts: int64 (B, 4).
        generator: The source of randomness.

    Returns:
        B sentences.
    """
    said = parts.clone()
    for column in (1, 2):
        said[happens(len(parts), UNSAID_RATE, generator=generator), column] = FREE
    variants = choose(len(parts), 6, generator=generator).tolist()
    return [sentence(row, variant=v) for row, v in zip(said.tolist(), variants, strict=True)]


def train_clip(
    *, budget: Budget, seed: int = 31, batch: int = 128, folder: Path = CHECKPOINTS
) -> nn.Module:
    """Train on scenes and their sentences, or go on with a training that was cut off.

    Args:
        budget: How long, and the learning rate.
        seed: Seed of the scenes; the first weights are from torch's own stream.
        batch: Scenes a step, each the others' wrong answer; a multiple of `ALIKE`.
        folder: Where the checkpoint `clip.pt` goes.

    Returns:
        The network in eval mode.
    """
    tokenizer = new_tokenizer()
    judge = preference.new_judge(len(tokenizer))
    generator = make_generator(seed)
    loop = Loop("clip", {"judge": judge}, budget, generator, folder=folder, muon=True)
    while loop.running():
        parts = draw_alike(batch, generator=generator)
        images = draw_scenes(parts, generator=generator).images
        ids = preference.tokens(tokenizer, draw_sentences(parts, generator=generator))
        pictures = preference.image_vectors(judge, augmented(images, generator=generator))
        sentences = preference.text_vectors(judge, ids)
        factor = preference.scale(judge)
        loop.step(preference.contrastive_loss(pictures, sentences, ids, factor))
    loop.finish()
    return judge.eval()


def train_preference(
    judge: nn.Module,
    vae: AutoencoderKL,
    *,
    budget: Budget,
    seed: int = 32,
    batch: int = 64,
    folder: Path = CHECKPOINTS,
) -> nn.Module:
    """Train a copy of a network on pairs, keeping that it knows sentences from each other.

    Args:
        judge: Where to start from: `train_clip`'s; it is left as it is.
        vae: The autoencoder of a shipped model, which spoils pictures as a model would.
        budget: How long, and the learning rate.
        seed: Seed of the pairs.
        batch: Pairs a step.
        folder: Where the checkpoint `preference.pt` goes.

    Returns:
        The trained copy in eval mode.
    """
    tokenizer = new_tokenizer()
    judge = copy.deepcopy(judge).train()
    generator = make_generator(seed)
    loop = Loop("preference", {"judge": judge}, budget, generator, folder=folder, muon=True)
    while loop.running():
        pairs = draw_pairs(batch, vae=vae, generator=generator)
        ids = preference.tokens(tokenizer, pairs.texts)
        both = preference.image_vectors(judge, torch.cat([pairs.better, pairs.worse]))
        better, worse = both[:batch], both[batch:]
        sentences, factor = preference.text_vectors(judge, ids), preference.scale(judge)
        chosen = preference.preference_loss(better, worse, sentences, factor)
        matched = preference.contrastive_loss(better, sentences, ids, factor)
        loop.step(chosen + MATCH_WEIGHT * matched)
    loop.finish()
    return judge.eval()


def main() -> None:
    """Run from the command line and publish both networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip-minutes", type=float, default=25.0)
    parser.add_argument("--minutes", type=float, default=9.0, help="of the pairs")
    parser.add_argument("--clip-rate", type=float, default=4e-3)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    chosen = parser.parse_args()
    budget = Budget(chosen.clip_minutes, chosen.clip_rate)
    clip = train_clip(budget=budget, seed=chosen.seed, folder=chosen.folder)
    preference.publish(clip, preference.CLIP)
    budget = Budget(chosen.minutes, chosen.rate)
    judge = train_preference(
        clip, load_vae(), budget=budget, seed=chosen.seed + 1, folder=chosen.folder
    )
    preference.publish(judge, preference.PREFERENCE)


if __name__ == "__main__":
    main()
