"""Test whether the words in an image resemble its prompt more than the prompts of other images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.spelling import likeness

LEAST_IMAGES, LEAST_TEXTS, LEAST_GROUPS = 10, 3, 2


@dataclass(frozen=True)
class ImageWords:
    """The words that text recognition read in one image.

    Attributes:
        words: The words inside the mask.
        text: The prompt.
        group: The group of the prompt; images of one group are not independent.
    """

    words: tuple[str, ...]
    text: str
    group: str


@dataclass(frozen=True)
class Mimicry:
    """How much the words in images resemble their prompts.

    Attributes:
        n: Number of images with words.
        texts: Number of different prompts of these images.
        own: Mean likeness of the words to the image's own prompt, 0 to 1.
        other: Mean likeness of the words to the prompts of the other images; each prompt counts
            once.
        excess: Mean difference of the two likenesses over images, with an interval over groups.
        null_mean: Mean of `own` over the permutations of the prompts.
        p: Share of the permutations whose `own` is at least as large as the observed `own`.
    """

    n: int
    texts: int
    own: float
    other: float
    excess: Interval
    null_mean: float
    p: float


def mimicry(
    images: Sequence[ImageWords], rng: np.random.Generator, *, draws: int
) -> Mimicry | None:
    """Compare words with their own prompt and with the prompts of other images.

    Some prompts resemble almost any word, for example prompts with short words. The null therefore
    permutes the prompts: each permutation uses the same prompts, and images that share a prompt
    share the prompt assigned to them.

    Args:
        images: Images with at least one word.
        rng: Draws the permutations.
        draws: Number of permutations.

    Returns:
        The result; None for fewer than 10 images, 3 prompts or 2 groups.

    Example:
        >>> words = ("horse", "bowl", "train")
        >>> images = [ImageWords((word,), f"a {word}", word) for word in words] * 4
        >>> result = mimicry(images, np.random.default_rng(0), draws=99)
        >>> result.own, round(result.p, 1)
        (1.0, 0.2)
    """
    texts = sorted({image.text for image in images})
    groups = [image.group for image in images]
    counts = (len(images), len(texts), len(set(groups)))
    if np.any(np.less(counts, (LEAST_IMAGES, LEAST_TEXTS, LEAST_GROUPS))):
        return None
    likenesses = np.array([[likeness(image.words, text) for text in texts] for image in images])
    columns = np.array([texts.index(image.text) for image in images])
    own_likeness = likenesses[np.arange(len(images)), columns]
    other_likeness = (likenesses.sum(axis=1) - own_likeness) / (len(texts) - 1)
    null = np.array([_permuted_mean(likenesses, columns, rng) for _ in range(draws)])
    return Mimicry(
        n=len(images),
        texts=len(texts),
        own=float(own_likeness.mean()),
        other=float(other_likeness.mean()),
        excess=grouped_mean_interval(own_likeness - other_likeness, groups),
        null_mean=float(null.mean()),
        p=p_value(null, own_likeness.mean(), scale=1.0),
    )


def _permuted_mean(likenesses: Floats, columns: Indices, rng: np.random.Generator) -> float:
    """Permute the prompts once, and compute the mean likeness of words to their new prompts."""
    order = rng.permutation(likenesses.shape[1])
    return float(likenesses[np.arange(len(likenesses)), order[columns]].mean())
