"""What a classifier is put to: new prompts, changed pictures, other runs, the null."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.statistics.bounds import Interval
from analysis.statistics.intervals import grouped_mean_interval
from analysis.statistics.nulls import permute_within_prompt
from analysis.statistics.proportions import grouped_share_interval
from analysis.studies.distinguishability.changes import CHANGES
from analysis.studies.distinguishability.network import grad_cam, pixels_of
from analysis.studies.distinguishability.split import Split, some_groups
from analysis.studies.distinguishability.stream import Ints, Stream
from analysis.studies.distinguishability.training import Answers, Classifier, Course
from analysis.study_tools.other_runs import other_run
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images

NULL_DRAWS = 1000
"""Permutations of the test pictures' owners behind the p-value."""


@dataclass(frozen=True)
class Trial:
    """One test.

    Attributes:
        name: What was tested.
        top1: Share of the pictures whose seed was told; n is their number.
        prompts: Prompts.
        groups: Their groups.
        chance: 1 / seeds.
        change: top1 less that of the same cells of the test part; None where cells differ.
    """

    name: str
    top1: Interval
    prompts: int
    groups: int
    chance: float
    change: Interval | None = None

    @classmethod
    def of(cls, name: str, answers: Answers, before: Answers | None = None) -> "Trial":
        """Judge answers; beside those for the same cells, if there are any."""
        right, groups = answers.right()
        prompts = int((answers.said >= 0).any(axis=1).sum())
        chance = 1 / answers.said.shape[1]
        change = None if before is None else _change(answers, before)
        share = grouped_share_interval(right, groups)
        return cls(name, share, prompts, len(set(groups.tolist())), chance, change)


def _change(answers: Answers, before: Answers) -> Interval:
    both = (answers.said >= 0) & (before.said >= 0)
    own = np.arange(both.shape[1])
    apart = (answers.said == own).astype(np.float64) - (before.said == own)
    return grouped_mean_interval(apart[both], answers.groups()[both])


class Training(NamedTuple):
    """A training on some of the prompts.

    Attributes:
        name: What it was trained on.
        prompts: Training prompts.
        history: See `Progress`.
        top1: On the test part.
    """

    name: str
    prompts: int
    history: tuple[dict[str, float], ...]
    top1: Interval


class Maps(NamedTuple):
    """Where a network looked.

    Attributes:
        images: (B, H, W, 3) uint8.
        maps: (B, H, W) in [0, 1].
        seeds: (B,) the seeds.
        prompts: The prompt of each.
    """

    images: Uint8Images
    maps: NDArray[np.float32]
    seeds: Ints
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class Trials:
    """Trainings on the parts of a run, and the tests of what came of them.

    Attributes:
        run: The run.
        seeds: The classes.
        split: The parts.
        course: How to train.
        entropy: Names the random streams of weights and order.
    """

    run: Run
    seeds: tuple[int, ...]
    split: Split
    course: Course
    entropy: tuple[int, ...]

    def stream(self, prompts: Sequence[Prompt], run: Run | None = None) -> Stream:
        """The pictures of some prompts, of this run unless another is given."""
        return Stream(run or self.run, tuple(prompts), self.seeds)

    def train(
        self,
        prompts: Sequence[Prompt],
        *,
        name: str = "seed classifier",
        epochs: int = 0,
        owners: Ints | None = None,
    ) -> Classifier:
        """Train, or go on, or take up what is done; see `Classifier`."""
        told = {**self.course.__dict__, "epochs": epochs or self.course.epochs}
        parts = (self.stream(prompts), self.stream(self.split.validation))
        return Classifier(Course(**told), *parts, self.entropy, owners, name).fit()

    def test(self, trained: Classifier) -> Answers:
        """What a network says of the test part."""
        return trained.top1(self.stream(self.split.test))

    def changed(self, trained: Classifier, before: Answers) -> Iterator[Trial]:
        """The test part after each change of the pictures."""
        for name, change in CHANGES.items():
            yield Trial.of(name, trained.top1(before.stream, change), before)

    def elsewhere(
        self, trained: Classifier, before: Answers, others: Mapping[str, str]
    ) -> Iterator[Trial]:
        """Other runs: prompts of groups that the network never met, as many as the test has.

        Args:
            trained: The network.
            before: Its answers on the test part.
            others: Name -> folder, see `other_run`.

        Raises:
            RunError: If a run has no two such groups.
        """
        parts = (self.split.train, self.split.validation)
        met = {prompt.group for part in parts for prompt in part}
        for name, path in others.items():
            run = other_run(self.run, path)
            unmet = [prompt for prompt in run.prompts.values() if prompt.group not in met]
            if len({prompt.group for prompt in unmet}) < 2:
                raise RunError(
                    f"run {name} has prompts of {len({p.group for p in unmet})} groups that the "
                    f"network never met; at least 2 are needed"
                )
            some = sorted(unmet, key=lambda prompt: prompt.id)[: len(self.split.test)]
            answers = trained.top1(self.stream(some, run))
            yield Trial.of(name, answers, before.of_prompts(some))

    def null(self, rng: np.random.Generator) -> tuple[Training, Trial]:
        """The same training where it is permuted, within each prompt, which seed owns what."""
        shape = (len(self.seeds), len(self.split.train))
        own = np.broadcast_to(np.arange(shape[0])[:, None], shape)
        owners = permute_within_prompt(own, rng).T.astype(np.int64)
        trained = self.train(self.split.train, name="permuted owners", owners=owners)
        trial = Trial.of("null: trained on permuted owners", self.test(trained))
        history = trained.progress.history
        return Training("permuted owners", shape[1], history, trial.top1), trial

    def fewer(self, share: float) -> Training:
        """As many steps as on all prompts, on a share of them."""
        some = some_groups(self.split.train, share)
        epochs = round(self.course.epochs * len(self.split.train) / len(some))
        name = f"{share:g} of the prompts"
        trained = self.train(some, name=name, epochs=epochs)
        top1 = Trial.of("", self.test(trained)).top1
        return Training(name, len(some), trained.progress.history, top1)

    def maps(self, trained: Classifier, *, seeds: int, prompts: int) -> Maps | None:
        """Grad-CAM of the first seeds and test prompts; see `grad_cam`."""
        chosen = _of_different_groups(self.split.test, prompts)
        stream = Stream(self.run, chosen, self.seeds[:seeds])
        shown = next(stream.batches(stream.cells))
        pixels = pixels_of(shown.images, self.course.device)
        classes = torch.from_numpy(shown.seeds).to(self.course.device)
        maps = grad_cam(trained.network, pixels, classes)
        if maps is None:
            return None
        names = tuple(chosen[place] for place in shown.prompts)
        return Maps(shown.images, maps, np.asarray(self.seeds)[shown.seeds], names)


def p_value(answers: Answers, rng: np.random.Generator) -> float:
    """Of as many right answers, where it is permuted within prompts who owns what.

    Returns:
        (b + 1) / (B + 1) over `NULL_DRAWS` draws.
    """
    said = answers.said.T
    own = np.arange(len(said))[:, None]
    observed = int((said == own).sum())
    draws = [int((permute_within_prompt(said, rng) == own).sum()) for _ in range(NULL_DRAWS)]
    return (1 + sum(draw >= observed for draw in draws)) / (NULL_DRAWS + 1)


def taken_for(answers: Answers, place: int) -> int | None:
    """The other seed that was said most often of a seed's pictures, as a place; None if none.

    Args:
        answers: The answers.
        place: The seed's place.
    """
    said: NDArray[Any] = answers.said[:, place]
    wrong = said[(said >= 0) & (said != place)]
    return int(np.bincount(wrong).argmax()) if len(wrong) else None


def _of_different_groups(prompts: Sequence[Prompt], count: int) -> tuple[Prompt, ...]:
    """The first of each group, then the others."""
    first = {prompt.group: prompt for prompt in reversed(prompts)}
    rest = [prompt for prompt in prompts if prompt not in first.values()]
    return (*first.values(), *rest)[:count]
