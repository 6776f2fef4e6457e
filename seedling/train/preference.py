"""Train the judges of image and prompt: `python -m seedling.train.preference`.

First it trains `clip`, which learns which sentence belongs to which scene. Then it trains
`preference`, starting from `clip`, on pairs of images for one prompt, some of them drawn by the
seedling. Each part resumes if it was interrupted.
"""

import argparse
import copy
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from seedling.files import CHECKPOINTS
from seedling.learning.alike import ALIKE, draw_alike
from seedling.learning.degrade import SLIGHT, augmented, draw_pairs, load_vae, round_trip
from seedling.learning.drawn_alike import load_drawn, next_in_row, sentences_of
from seedling.learning.fitting import Rows, load_or_make
from seedling.learning.loop import Budget, Loop
from seedling.networks import preference
from seedling.networks.tokenizer import new_tokenizer
from seedling.randomness import choose, happens, make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import FREE, sentence

UNSAID_RATE = 0.15
"""How often a sentence leaves out the colour of its scene, and how often the place."""
TRIPS = 0.25
"""Share of `clip`'s images that were encoded and decoded by the autoencoder, in whole rows."""
MATCH_WEIGHT = 1.0
"""Weight of the contrastive loss relative to the loss of the pairs."""


def draw_sentences(parts: Tensor, *, generator: torch.Generator) -> list[str]:
    """Describe scenes in any of the wordings, sometimes without colour or place.

    Args:
        parts: int64 (B, 4).
        generator: The source of randomness.

    Returns:
        B sentences.
    """
    named = parts.clone()
    for column in (1, 2):
        named[happens(len(parts), UNSAID_RATE, generator=generator), column] = FREE
    variants = choose(len(parts), 6, generator=generator).tolist()
    return [sentence(row, variant=v) for row, v in zip(named.tolist(), variants, strict=True)]


def make_trips(vae: AutoencoderKL, count: int, seed: int) -> Rows:
    """Draw rows of alike scenes and encode and decode them, as a model's images are decoded.

    Args:
        vae: The autoencoder of a shipped model.
        count: Number of scenes, a multiple of `ALIKE`.
        seed: Seed of the scenes.

    Returns:
        `images`, uint8 (count, 3, 64, 64); `parts`, int64 (count, 4), what they show.
    """
    generator = make_generator(seed)
    parts = draw_alike(count, generator=generator)
    chunks = []
    for chunk in torch.split(parts, 64):
        scenes = draw_scenes(chunk, generator=generator)
        chunks.append(round_trip(scenes.images, (0.0, SLIGHT), vae=vae, generator=generator))
    return {"images": (torch.cat(chunks) * 255).round().to(torch.uint8), "parts": parts}


def choose_rows(total: int, count: int, *, generator: torch.Generator) -> Tensor:
    """Choose whole rows of `ALIKE` from `total` images in rows: their indices, int64 (count,)."""
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
    """Train on scenes and their sentences, or resume an interrupted training.

    Args:
        trips: Round trips from `make_trips`, of which a share `TRIPS` of each batch consists.
        budget: How long, and the learning rate.
        seed: Seed of the scenes; initial weights come from torch's global stream.
        batch: Scenes per step, each a negative for the others; a multiple of `ALIKE`.
        folder: Folder of the checkpoint `clip.pt`.

    Returns:
        The network in eval mode.
    """
    tokenizer = new_tokenizer()
    judge = preference.new_judge(len(tokenizer))
    generator = make_generator(seed)
    reused = int(batch * TRIPS) // ALIKE * ALIKE
    loop = Loop("clip", {"judge": judge}, budget, generator, folder=folder, muon=True)
    while loop.running():
        fresh = draw_alike(batch - reused, generator=generator)
        indices = choose_rows(len(trips["parts"]), reused, generator=generator)
        parts = torch.cat([fresh, trips["parts"][indices]])
        scenes = draw_scenes(fresh, generator=generator).images
        images = torch.cat([scenes, trips["images"][indices].float() / 255])
        ids = preference.tokens(tokenizer, draw_sentences(parts, generator=generator))
        vectors = preference.image_vectors(judge, augmented(images, generator=generator))
        sentences = preference.text_vectors(judge, ids)
        factor = preference.scale(judge)
        loop.step(preference.contrastive_loss(vectors, sentences, ids, factor))
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
    """Train a copy of a judge on pairs while it keeps matching images to their sentences.

    Args:
        judge: The judge of `train_clip`, to start from; it is not changed.
        vae: The autoencoder of a shipped model, which degrades images as a model would.
        drawn: Images drawn by a model, see `drawn_alike.draw_alike_images`.
        budget: How long, and the learning rate.
        seed: Seed of the pairs.
        batch: Pairs of scenes per step, and as many drawn images; a multiple of `ALIKE`.
        folder: Folder of the checkpoint `preference.pt`.

    Returns:
        The trained copy in eval mode.
    """
    tokenizer = new_tokenizer()
    judge = copy.deepcopy(judge).train()
    generator = make_generator(seed)
    loop = Loop("preference", {"judge": judge}, budget, generator, folder=folder, muon=True)
    while loop.running():
        pairs = draw_pairs(batch, vae=vae, generator=generator)
        right, half_wrong, prompts = choose_drawn(drawn, batch, generator=generator)
        images = torch.cat([pairs.better, pairs.worse, right, half_wrong])
        better, worse, vectors, failed = preference.image_vectors(judge, images).chunk(4)
        ids = preference.tokens(tokenizer, pairs.texts + prompts)
        scene_texts, drawn_texts = preference.text_vectors(judge, ids).chunk(2)
        factor = preference.scale(judge)
        loop.step(
            preference.preference_loss(better, worse, scene_texts, factor)
            + preference.preference_loss(vectors, next_in_row(vectors), drawn_texts, factor)
            + preference.preference_loss(vectors, failed, drawn_texts, factor)
            + MATCH_WEIGHT * preference.contrastive_loss(better, scene_texts, ids[:batch], factor)
            + MATCH_WEIGHT * preference.contrastive_loss(vectors, drawn_texts, ids[batch:], factor)
        )
    loop.finish()
    return judge.eval()


def choose_drawn(
    drawn: Rows, count: int, *, generator: torch.Generator
) -> tuple[Tensor, Tensor, list[str]]:
    """Choose whole rows of a model's images and mirror some of the rows.

    Args:
        drawn: Images drawn by a model, see `drawn_alike.draw_alike_images`.
        count: Number of images, a multiple of `ALIKE`.
        generator: The source of randomness.

    Returns:
        The images and their half-wrong counterparts, float32 (count, 3, 64, 64) in 0..1, and the
        prompts of both.
    """
    indices = choose_rows(len(drawn["parts"]), count, generator=generator)
    both = torch.cat([drawn["images"][indices], drawn["half_wrong"][indices]]).float() / 255
    mirrored = happens(count // ALIKE, 0.5, generator=generator).repeat_interleave(ALIKE)
    both = torch.where(mirrored.repeat(2)[:, None, None, None], both.flip(3), both)
    right, half_wrong = augmented(both, generator=generator).chunk(2)
    return right, half_wrong, sentences_of(drawn["parts"][indices], drawn["wordings"][indices])


def main() -> None:
    """Run from the command line and publish both networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip-minutes", type=float, default=30.0)
    parser.add_argument("--minutes", type=float, default=22.0, help="minutes on the pairs")
    parser.add_argument("--trips", type=int, default=6144, help="scenes that are encoded once")
    parser.add_argument("--drawn", type=int, default=3072, help="images that the model draws")
    parser.add_argument("--clip-rate", type=float, default=4e-3)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    budget, folder = Budget(options.clip_minutes, options.clip_rate), options.folder
    vae, seed = load_vae(), options.seed
    path = folder / f"clip-trips-{options.trips}-{seed}.safetensors"
    trips = load_or_make(path, lambda: make_trips(vae, options.trips, seed))
    clip = train_clip(trips, budget=budget, seed=seed, folder=folder)
    preference.publish(clip, preference.CLIP)
    budget = Budget(options.minutes, options.rate)
    drawn = load_drawn(folder, count=options.drawn, seed=seed + 1)
    judge = train_preference(clip, vae, drawn, budget=budget, seed=seed + 1, folder=folder)
    preference.publish(judge, preference.PREFERENCE)


if __name__ == "__main__":
    main()
