"""Test whether the words in an image resemble its own prompt more than other prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.spelling import likeness

LEAST_IMAGES, LEAST_TEXTS = 10, 3


@dataclass(frozen=True)
class Read:
    """Words read in one image.

    Attributes:
        words: The words inside the mask.
        text: The prompt.
        group: Images of the same group are dependent.
    """

    words: tuple[str, ...]
    text: str
    group: str


@dataclass(frozen=True)
class Mimicry:
    """How far the words in images resemble their prompts.

    Attributes:
        n: Images with words.
        texts: Different prompts among them.
        own: Mean likeness of the words to their own prompt, 0 to 1.
        other: Mean likeness to the other prompts, all with equal weight.
        excess: Mean of own minus other over images, with an interval over groups.
        null_mean: Mean of `own` after the prompts are permuted.
        p: Share of the permutations with at least this `own`.
    """

    n: int
    texts: int
    own: float
    other: float
    excess: Interval
    null_mean: float
    p: float


def mimicry(images: Sequence[Read], rng: np.random.Generator, *, draws: int) -> Mimicry | None:
    """Compare words with their own prompt and with the prompts of other images.

    Some prompts resemble any words more than others do: a short word is similar to anything. The
    null therefore permutes the prompts, so that each draw has the same prompts, and all images of
    one prompt get the same prompt.

    Args:
        images: Images with at least one word.
        rng: Draws the permutations.
        draws: Number of permutations.

    Returns:
        None for fewer than 10 images, 3 prompts or 2 groups.

    Example:
        >>> images = [Read((word,), f"a {word}", word) for word in ("horse", "bowl", "train")] * 4
        >>> result = mimicry(images, np.random.default_rng(0), draws=99)
        >>> result.own, round(result.p, 1)
        (1.0, 0.2)
    """
    texts = sorted({image.text for image in images})
    groups = [image.group for image in images]
    if len(images) < LEAST_IMAGES or len(texts) < LEAST_TEXTS or len(set(groups)) < 2:
        return None
    likenesses = np.array([[likeness(image.words, text) for text in texts] for image in images])
    columns = np.array([texts.index(image.text) for image in images])
    own = likenesses[np.arange(len(images)), columns]
    other = (likenesses.sum(axis=1) - own) / (len(texts) - 1)
    null = np.array([_permuted_mean(likenesses, columns, rng) for _ in range(draws)])
    return Mimicry(
        n=len(images),
        texts=len(texts),
        own=float(own.mean()),
        other=float(other.mean()),
        excess=grouped_mean_interval(own - other, groups),
        null_mean=float(null.mean()),
        p=float(((null >= own.mean() - 1e-12).sum() + 1) / (draws + 1)),
    )


def _permuted_mean(likenesses: Floats, columns: Indices, rng: np.random.Generator) -> float:
    """Mean likeness after the prompts are permuted."""
    order = rng.permutation(likenesses.shape[1])
    return float(likenesses[np.arange(len(likenesses)), order[columns]].mean())
