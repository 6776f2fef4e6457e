"""Train the judges of picture and prompt: `python -m seedling.train.preference`.

First `clip`, which tells which sentence belongs to which scene; then `preference`, from there, on
pairs of pictures of one prompt, some of them the seedling's own. Each part goes on where it was
cut off.
"""

import argparse
import copy
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from seedling.learning.alike import ALIKE, draw_alike
from seedling.learning.degrade import SLIGHT, augmented, draw_pairs, load_vae, round_trip
from seedling.learning.drawn_alike import load_drawn, next_in_row, say_all
from seedling.learning.loop import CHECKPOINTS, Budget, Loop
from seedling.learning.relatives import Rows, load_or_make
from seedling.networks import preference
from seedling.networks.tokenizer import new_tokenizer
from seedling.randomness import choose, happens, make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import FREE, sentence

UNSAID_RATE = 0.15
"""How often a sentence leaves out the colour or the place of its scene, each for itself."""
TRIPS = 0.25
"""Share of `clip`'s pictures that went through the autoencoder and back, whole rows of them."""
MATCH_WEIGHT = 1.0
"""Weight of the contrastive loss beside that of the pairs."""


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


def make_trips(vae: AutoencoderKL, count: int, seed: int) -> Rows:
    """Rows of scenes that are alike, through the autoencoder and back as a model's pictures are.

    Args:
        vae: The autoencoder of a shipped model.
        count: How many, a multiple of `ALIKE`.
        seed: Seed of the scenes.

    Returns:
        `images`, uint8 (count, 3, 64, 64); `parts`, int64 (count, 4), what they show.
    """
    generator = make_generator(seed)
    parts = draw_alike(count, generator=generator)
    chunks = []
    for some in torch.split(parts, 64):
        scenes = draw_scenes(some, generator=generator)
        chunks.append(round_trip(scenes.images, (0.0, SLIGHT), vae=vae, generator=generator))
    return {"images": (torch.cat(chunks) * 255).round().to(torch.uint8), "parts": parts}


def choose_rows(total: int, count: int, *, generator: torch.Generator) -> Tensor:
    """Places of whole rows of `ALIKE`, int64 (count,), of pictures that are kept in rows."""
    rows = choose(count // ALIKE, total // ALIKE, generator=generator)
    return (rows[:, None] * ALIKE + torch.arange(ALIKE)).flatten()


def train_clip(
    trips: Rows,
    *,
    budget: Budget,
    seed: int = 31,
    batch: int = 128,
    folder: Path = CHECKPOINTS,
) -> nn.Module:
    """Train on scenes and their sentences, or go on with a training that was cut off.

    Args:
        trips: As `make_trips` gives them: `TRIPS` of a batch are of these.
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
    again = int(batch * TRIPS) // ALIKE * ALIKE
    loop = Loop("clip", {"judge": judge}, budget, generator, folder=folder, muon=True)
    while loop.running():
        fresh = draw_alike(batch - again, generator=generator)
        places = choose_rows(len(trips["parts"]), again, generator=generator)
        parts = torch.cat([fresh, trips["parts"][places]])
        scenes = draw_scenes(fresh, generator=generator).images
        images = torch.cat([scenes, trips["images"][places].float() / 255])
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
    drawn: Rows,
    *,
    budget: Budget,
    seed: int = 32,
    batch: int = 48,
    folder: Path = CHECKPOINTS,
) -> nn.Module:
    """Train a copy of a network on pairs, keeping that it knows sentences from each other.

    Args:
        judge: Where to start from: `train_clip`'s; it is left as it is.
        vae: The autoencoder of a shipped model, which spoils pictures as a model would.
        drawn: A model's own pictures, as `drawn_alike.draw_alike_pictures` gives them.
        budget: How long, and the learning rate.
        seed: Seed of the pairs.
        batch: Pairs of scenes a step, and as many drawn pictures; a multiple of `ALIKE`.
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
        own, half_wrong, prompts = draw_own(drawn, batch, generator=generator)
        images = torch.cat([pairs.better, pairs.worse, own, half_wrong])
        better, worse, pictures, failed = preference.image_vectors(judge, images).chunk(4)
        ids = preference.tokens(tokenizer, pairs.texts + prompts)
        said, asked = preference.text_vectors(judge, ids).chunk(2)
        factor = preference.scale(judge)
        loop.step(
            preference.preference_loss(better, worse, said, factor)
            + preference.preference_loss(pictures, next_in_row(pictures), asked, factor)
            + preference.preference_loss(pictures, failed, asked, factor)
            + MATCH_WEIGHT * preference.contrastive_loss(better, said, ids[:batch], factor)
            + MATCH_WEIGHT * preference.contrastive_loss(pictures, asked, ids[batch:], factor)
        )
    loop.finish()
    return judge.eval()


def draw_own(
    drawn: Rows, count: int, *, generator: torch.Generator
) -> tuple[Tensor, Tensor, list[str]]:
    """Draw whole rows of a model's own pictures, some rows mirrored.

    Args:
        drawn: As `drawn_alike.draw_alike_pictures` gives them.
        count: How many pictures, a multiple of `ALIKE`.
        generator: The source of randomness.

    Returns:
        The pictures and their half-wrong neighbours, float32 (count, 3, 64, 64) in 0..1, and the
        prompts of both.
    """
    places = choose_rows(len(drawn["parts"]), count, generator=generator)
    both = torch.cat([drawn["images"][places], drawn["half_wrong"][places]]).float() / 255
    mirrored = happens(count // ALIKE, 0.5, generator=generator).repeat_interleave(ALIKE)
    both = torch.where(mirrored.repeat(2)[:, None, None, None], both.flip(3), both)
    own, half_wrong = augmented(both, generator=generator).chunk(2)
    return own, half_wrong, say_all(drawn["parts"][places], drawn["wordings"][places])


def main() -> None:
    """Run from the command line and publish both networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip-minutes", type=float, default=30.0)
    parser.add_argument("--minutes", type=float, default=22.0, help="of the pairs")
    parser.add_argument("--trips", type=int, default=6144, help="scenes that are encoded once")
    parser.add_argument("--drawn", type=int, default=3072, help="pictures that the model draws")
    parser.add_argument("--clip-rate", type=float, default=4e-3)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    chosen = parser.parse_args()
    budget, folder = Budget(chosen.clip_minutes, chosen.clip_rate), chosen.folder
    vae, seed = load_vae(), chosen.seed
    kept = folder / f"clip-trips-{chosen.trips}-{seed}.safetensors"
    trips = load_or_make(kept, lambda: make_trips(vae, chosen.trips, seed))
    clip = train_clip(trips, budget=budget, seed=seed, folder=folder)
    preference.publish(clip, preference.CLIP)
    budget = Budget(chosen.minutes, chosen.rate)
    drawn = load_drawn(folder, count=chosen.drawn, seed=seed + 1)
    judge = train_preference(clip, vae, drawn, budget=budget, seed=seed + 1, folder=folder)
    preference.publish(judge, preference.PREFERENCE)


if __name__ == "__main__":
    main()
