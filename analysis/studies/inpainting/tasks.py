"""Inpainting by task: removal or completion, the seeds' rates of writing in each prompt set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.metrics.base import ShareMetric
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.attenuation import Carried, carried
from analysis.statistics.bounds import Interval
from analysis.statistics.intervals import grouped_mean_interval
from analysis.statistics.reliability import top_with_ties
from analysis.statistics.spelling import likeness
from analysis.studies.inpainting.writing import Inside
from pipeline.prompts.prompt_sets import Prompt, normalise

REMOVAL, COMPLETION = "removal", "completion"


class TextInMask(ShareMetric):
    """How often a word lies inside the mask."""

    name: ClassVar[str] = "text_in_mask"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("ocr.words",)
    method: ClassVar[str] = "share of images with a word inside the mask"


@dataclass(frozen=True, eq=False)
class Task:
    """One task over all seeds.

    Attributes:
        name: `REMOVAL` or `COMPLETION`.
        seeds: The S seeds, ascending.
        prompts: The P prompts, one for each pair of image and mask.
        inside: What was read in the mask, seed by seed, prompt by prompt.
    """

    name: str
    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    inside: Sequence[Sequence[Inside]]

    @cached_property
    def hits(self) -> Floats:
        """1 where a word lies inside the mask, shape (S, P)."""
        return np.array([[float(bool(one.texts)) for one in row] for row in self.inside])

    @cached_property
    def shares(self) -> Floats:
        """Share of the mask that detected text covers, legible or not, shape (S, P)."""
        return np.array([[one.share for one in row] for row in self.inside])

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """What makes prompts dependent, shape (P,): the object, or the image if none is named."""
        return np.array([group_of(prompt) for prompt in self.prompts])

    def places(self, number: int, *, without: frozenset[str] = frozenset()) -> Indices:
        """Places of a set's prompts, but for those of some images."""
        found = [p.set == number and p.image not in without for p in self.prompts]
        return np.flatnonzero(found)

    def images(self, *numbers: int) -> frozenset[str]:
        """The images of some sets, by their sha256."""
        return frozenset(str(p.image) for p in self.prompts if p.set in numbers)

    def sample(self, number: int) -> Sample:
        """One set, as metrics take it."""
        places = self.places(number)
        prompts = tuple(replace(self.prompts[i], group=self.groups[i]) for i in places)
        return Sample(self.seeds, prompts, {TextInMask.needs[0]: self.hits[:, places]})

    def rates(self, number: int, *, without: frozenset[str] = frozenset()) -> Floats:
        """Rate of every seed on one set, shape (S,)."""
        return np.asarray(self.hits[:, self.places(number, without=without)].mean(axis=1))

    def chosen(self, share: float) -> Indices:
        """Places of the cleanest seeds of set 1, ties at the boundary listed whole."""
        m = max(1, round(share * len(self.seeds)))
        return top_with_ties(self.rates(1), m, direction="lower")

    def gain(self, chosen: Indices) -> tuple[Interval, int]:
        """Rate of chosen seeds less that of all, on set 3, and on how many held-out pairs.

        Pairs whose image stands in set 1 or 2 are left out: a seed that writes into one picture
        may do so under another mask.
        """
        places = self.places(3, without=self.images(1, 2))
        apart = self.hits[chosen].mean(axis=0) - self.hits.mean(axis=0)
        if len(set(self.groups[places].tolist())) < 2:
            none = Interval(np.nan, np.nan, np.nan, len(places), "too few held-out pairs")
            return none, len(places)
        return grouped_mean_interval(apart[places], self.groups[places]), len(places)


def group_of(prompt: Prompt) -> str:
    """The group of an inpainting prompt: its object, or its image where none is named.

    Example:
        >>> group_of(Prompt("clear background", object="Red Car", image="a" * 64))
        'red car'
    """
    return normalise(prompt.object) if prompt.object else str(prompt.image)


def between(first: Task, second: Task, rng: np.random.Generator) -> Carried | None:
    """Whether seeds that write in one task write in the other: no image stands on both sides.

    Returns:
        The correlation across sets; None where too few images are left.
    """
    # Set 1 of one task meets set 2 of the other, so the other's set 2 is without set 1's images.
    theirs = [(number, first.images(3 - number)) for number in (1, 2)]
    if any(len(second.places(number, without=images)) < 2 for number, images in theirs):
        return None
    own = np.stack([first.rates(number) for number in (1, 2)])
    other = np.stack([second.rates(number, without=images) for number, images in theirs])
    return carried(own, other, rng)


def removal_mimicry(tasks: Mapping[str, Task], text: str) -> dict[str, Any] | None:
    """Whether removals write like their one prompt: more than completions write like it.

    Returns:
        Mean likeness to the removal's prompt of words in removals and in completions, and the
        difference with its interval over groups; None where either has none.
    """
    if set(tasks) != {REMOVAL, COMPLETION}:
        return None
    found = {name: _likenesses(task, text) for name, task in tasks.items()}
    if any(len(set(groups)) < 2 for _, groups in found.values()):
        return None
    own, other = (grouped_mean_interval(*found[name]) for name in (REMOVAL, COMPLETION))
    half = float(np.hypot(own.high - own.value, other.high - other.value))
    apart = own.value - other.value
    return {
        "removal": own.value,
        "completion": other.value,
        "n_removal": own.n,
        "n_completion": other.n,
        "difference": apart,
        "difference_low": apart - half,
        "difference_high": apart + half,
    }


def _likenesses(task: Task, text: str) -> tuple[list[float], list[str]]:
    cells = [
        (likeness(one.texts, text), str(group))
        for row in task.inside
        for one, group in zip(row, task.groups, strict=True)
        if one.texts
    ]
    return [value for value, _ in cells], [group for _, group in cells]
