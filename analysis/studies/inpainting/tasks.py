"""The rates at which seeds write words, for the tasks removal and completion."""

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
    """Share of a seed's images with a word inside the mask."""

    name: ClassVar[str] = "text_in_mask"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("ocr.words",)
    method: ClassVar[str] = "share of images with a word inside the mask"


@dataclass(frozen=True, eq=False)
class Task:
    """One task with the images of all seeds.

    Attributes:
        name: `REMOVAL` or `COMPLETION`.
        seeds: The S seeds, ascending.
        prompts: The P prompts, one for each pair of condition image and mask.
        inside: The text read inside the mask, for each seed and prompt.
    """

    name: str
    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    inside: Sequence[Sequence[Inside]]

    @cached_property
    def hits(self) -> Floats:
        """1 where a word is inside the mask, shape (S, P)."""
        return np.array([[float(bool(cell.texts)) for cell in row] for row in self.inside])

    @cached_property
    def shares(self) -> Floats:
        """Share of the mask that detected text covers, legible or not, shape (S, P)."""
        return np.array([[cell.share for cell in row] for row in self.inside])

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """The group of each prompt, shape (P,): its object, or its image if it names none."""
        return np.array([group_of(prompt) for prompt in self.prompts])

    def of_set(self, number: int, *, without: frozenset[str] = frozenset()) -> Indices:
        """Indices of the prompts of a set, without those of some condition images."""
        return np.flatnonzero([p.set == number and p.image not in without for p in self.prompts])

    def images(self, *numbers: int) -> frozenset[str]:
        """The sha256 of the condition images of some sets."""
        return frozenset(str(p.image) for p in self.prompts if p.set in numbers)

    def sample(self, number: int) -> Sample:
        """One set as a sample, which metrics take."""
        columns = self.of_set(number)
        prompts = tuple(replace(self.prompts[i], group=self.groups[i]) for i in columns)
        return Sample(self.seeds, prompts, {TextInMask.needs[0]: self.hits[:, columns]})

    def rates(self, number: int, *, without: frozenset[str] = frozenset()) -> Floats:
        """Rate of every seed on one set, shape (S,)."""
        return np.asarray(self.hits[:, self.of_set(number, without=without)].mean(axis=1))

    def chosen(self, share: float) -> Indices:
        """Indices of the cleanest seeds of set 1; all seeds tied at the boundary are included."""
        m = max(1, round(share * len(self.seeds)))
        return top_with_ties(self.rates(1), m, direction="lower")

    def gain(self, chosen: Indices) -> tuple[Interval, int]:
        """Compute the rate of the chosen seeds minus the rate of all seeds, on held-out pairs.

        The held-out pairs are those of set 3 whose image is not in set 1 or 2: a seed that writes
        into an image with one mask may do so with another mask.

        Returns:
            The difference with its interval over groups, and the number of held-out pairs.
        """
        columns = self.of_set(3, without=self.images(1, 2))
        difference = self.hits[chosen].mean(axis=0) - self.hits.mean(axis=0)
        if len(set(self.groups[columns].tolist())) < 2:
            none = Interval(np.nan, np.nan, np.nan, len(columns), "too few held-out pairs")
            return none, len(columns)
        return grouped_mean_interval(difference[columns], self.groups[columns]), len(columns)


def group_of(prompt: Prompt) -> str:
    """The group of an inpainting prompt: its object, or its image if it names none.

    Example:
        >>> group_of(Prompt("clear background", object="Red Car", image="a" * 64))
        'red car'
    """
    return normalise(prompt.object) if prompt.object else str(prompt.image)


def task_correlation(first: Task, second: Task, *, rng: np.random.Generator) -> Carried | None:
    """Correlate the rates of the seeds in two tasks; no image is on both sides.

    Returns:
        The correlation across sets; None if too few images are left.
    """
    # Set 1 of the first task is compared with set 2 of the second task, without images of set 1;
    # set 2 of the first task is compared with set 1 of the second task, without images of set 2.
    excluded = [(number, first.images(3 - number)) for number in (1, 2)]
    if any(len(second.of_set(number, without=images)) < 2 for number, images in excluded):
        return None
    first_rates = np.stack([first.rates(number) for number in (1, 2)])
    second_rates = np.stack([second.rates(number, without=images) for number, images in excluded])
    return carried(first_rates, second_rates, rng)


def removal_mimicry(tasks: Mapping[str, Task], text: str) -> dict[str, Any] | None:
    """Compare how much words in removals and in completions resemble the prompt of removals.

    Args:
        tasks: Name -> task.
        text: The prompt of removals.

    Returns:
        Mean likeness to this prompt in both tasks, and the difference with its interval over
        groups; None if a task is missing or has too few words.
    """
    if set(tasks) != {REMOVAL, COMPLETION}:
        return None
    likenesses = {name: _likenesses(task, text) for name, task in tasks.items()}
    if any(len(set(groups)) < 2 for _, groups in likenesses.values()):
        return None
    removal, completion = (grouped_mean_interval(*likenesses[n]) for n in (REMOVAL, COMPLETION))
    half = float(np.hypot(removal.high - removal.value, completion.high - completion.value))
    difference = removal.value - completion.value
    return {
        "removal": removal.value,
        "completion": completion.value,
        "n_removal": removal.n,
        "n_completion": completion.n,
        "difference": difference,
        "difference_low": difference - half,
        "difference_high": difference + half,
    }


def _likenesses(task: Task, text: str) -> tuple[list[float], list[str]]:
    """The likeness of every image with words, and its group."""
    cells = [
        (likeness(cell.texts, text), str(group))
        for row in task.inside
        for cell, group in zip(row, task.groups, strict=True)
        if cell.texts
    ]
    return [value for value, _ in cells], [group for _, group in cells]
