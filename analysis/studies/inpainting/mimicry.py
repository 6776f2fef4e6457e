"""Whether writing in a picture looks like the prompt it was drawn for, more than like others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.spelling import likeness

LEAST_IMAGES, LEAST_TEXTS = 10, 3


@dataclass(frozen=True)
class Read:
    """Words read in one image.

    Attributes:
        words: The words inside its mask.
        text: What is asked for where it was drawn: the prompt.
        group: What makes images dependent.
    """

    words: tuple[str, ...]
    text: str
    group: str


@dataclass(frozen=True)
class Mimicry:
    """How far writing mimics prompts.

    Attributes:
        n: Images with words.
        texts: Different prompts among them.
        own: Mean likeness of an image's words to its own prompt, 0..1.
        other: The same to the other prompts, each alike.
        excess: Own less other, image by image, with its interval over groups.
        null_mean: `own` where prompts are dealt anew to the images' prompts, mean.
        p: Share of the deals with an `own` at least as high.
    """

    n: int
    texts: int
    own: float
    other: float
    excess: Interval
    null_mean: float
    p: float


def mimicry(images: Sequence[Read], rng: np.random.Generator, *, draws: int) -> Mimicry | None:
    """Compare words with the own prompt and with other images' prompts.

    Some prompts are liked by any writing (long words have more letters to miss, short ones are
    like anything), so the prompts themselves are dealt anew: every deal has the same prompts, and
    all images of one prompt keep one.

    Args:
        images: Images with at least one word.
        rng: Deals.
        draws: Deals.

    Returns:
        None for fewer than 10 images, 3 prompts or 2 groups.

    Example:
        >>> read = [Read((word,), f"a {word}", word) for word in ("horse", "bowl", "train")] * 4
        >>> found = mimicry(read, np.random.default_rng(0), draws=99)
        >>> found.own, round(found.p, 1)
        (1.0, 0.2)
    """
    texts = sorted({image.text for image in images})
    groups = [image.group for image in images]
    if len(images) < LEAST_IMAGES or len(texts) < LEAST_TEXTS or len(set(groups)) < 2:
        return None
    table = np.array([[likeness(image.words, text) for text in texts] for image in images])
    own_text = np.array([texts.index(image.text) for image in images])
    rows = np.arange(len(images))
    own = table[rows, own_text]
    other = (table.sum(axis=1) - own) / (len(texts) - 1)
    deals = np.array([_dealt(table, own_text, rng) for _ in range(draws)])
    return Mimicry(
        n=len(images),
        texts=len(texts),
        own=float(own.mean()),
        other=float(other.mean()),
        excess=grouped_mean_interval(own - other, groups),
        null_mean=float(deals.mean()),
        p=float(((deals >= own.mean() - 1e-12).sum() + 1) / (draws + 1)),
    )


def _dealt(
    table: NDArray[np.float64], own_text: NDArray[np.intp], rng: np.random.Generator
) -> float:
    deal = rng.permutation(table.shape[1])
    return float(table[np.arange(len(table)), deal[own_text]].mean())
