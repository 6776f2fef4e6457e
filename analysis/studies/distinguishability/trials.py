"""Test a classifier on new prompts, changed images, other runs and under the null."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.statistics.bounds import Interval
from analysis.statistics.intervals import grouped_mean_interval
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.owners import permute_owners, permuted_owners
from analysis.statistics.proportions import grouped_share_interval
from analysis.studies.distinguishability.answers import Answers
from analysis.studies.distinguishability.changes import CHANGES
from analysis.studies.distinguishability.course import Course
from analysis.studies.distinguishability.network import grad_cam, pixels_of
from analysis.studies.distinguishability.report import NULL_DRAWS
from analysis.studies.distinguishability.split import Split, some_groups
from analysis.studies.distinguishability.stream import Ints, Stream
from analysis.studies.distinguishability.training import Classifier
from analysis.study_tools.other_runs import other_run
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images


@dataclass(frozen=True)
class Trial:
    """The result of one test.

    Attributes:
        name: What was tested.
        top1: Share of the images whose seed was named correctly; n is the number of images.
        prompts: Number of prompts.
        groups: Number of prompt groups.
        chance: 1 / (number of seeds).
        change: top1 minus the top1 on this run's unchanged test images, over the cells that both
            have; None without such a comparison.
    """

    name: str
    top1: Interval
    prompts: int
    groups: int
    chance: float
    change: Interval | None = None

    @classmethod
    def of(cls, name: str, answers: Answers, before: Answers | None = None) -> "Trial":
        """Measure the accuracy of answers, and how it changed from earlier answers if given."""
        right, groups = answers.right()
        prompts = int((answers.predicted >= 0).any(axis=1).sum())
        chance = 1 / answers.predicted.shape[1]
        change = None if before is None else _change(answers, before)
        share = grouped_share_interval(right, groups)
        return cls(name, share, prompts, len(set(groups.tolist())), chance, change)


def _change(answers: Answers, before: Answers) -> Interval:
    both = (answers.predicted >= 0) & (before.predicted >= 0)
    truth = np.arange(both.shape[1])
    difference = (answers.predicted == truth).astype(np.float64) - (before.predicted == truth)
    return grouped_mean_interval(difference[both], answers.groups()[both])


class Training(NamedTuple):
    """A finished training on some of the prompts.

    Attributes:
        name: What it was trained on.
        prompts: Number of training prompts.
        history: See `Progress`.
        top1: Accuracy on the test part.
    """

    name: str
    prompts: int
    history: tuple[dict[str, float], ...]
    top1: Interval


class Maps(NamedTuple):
    """Which parts of images a network bases its answers on.

    Attributes:
        images: Shape (B, H, W, 3), uint8.
        maps: Shape (B, H, W), in [0, 1].
        seeds: Shape (B,), the seed of each image.
        prompts: The prompt of each image.
    """

    images: Uint8Images
    maps: NDArray[np.float32]
    seeds: Ints
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class Trials:
    """Trainings on the parts of a run, and the tests of the trained networks.

    Attributes:
        run: The run.
        seeds: The seeds, which are the classes.
        split: The parts of the prompts.
        course: How to train.
        entropy: Numbers that seed the initial weights and the order of the images.
    """

    run: Run
    seeds: tuple[int, ...]
    split: Split
    course: Course
    entropy: tuple[int, ...]

    def stream(self, prompts: Sequence[Prompt], run: Run | None = None) -> Stream:
        """Stream the images of some prompts, of this run unless another run is given."""
        return Stream(run or self.run, tuple(prompts), self.seeds)

    def train(
        self,
        prompts: Sequence[Prompt],
        *,
        name: str = "seed classifier",
        epochs: int = 0,
        owners: Ints | None = None,
    ) -> Classifier:
        """Train a network, resume its training, or load it if it is trained; see `Classifier`."""
        course = replace(self.course, epochs=epochs or self.course.epochs)
        parts = (self.stream(prompts), self.stream(self.split.validation))
        return Classifier(course, *parts, self.entropy, owners, name).fit()

    def test(self, trained: Classifier) -> Answers:
        """Let a network name the seeds of the test part."""
        return trained.classify(self.stream(self.split.test))

    def test_changes(self, trained: Classifier, before: Answers) -> Iterator[Trial]:
        """Test on the test images after each kind of change."""
        for name, change in CHANGES.items():
            yield Trial.of(name, trained.classify(before.stream, change), before)

    def test_other_runs(
        self, trained: Classifier, before: Answers, others: Mapping[str, str]
    ) -> Iterator[Trial]:
        """Test on other runs, with as many prompts as the test part has.

        Args:
            trained: The network.
            before: The network's answers on the test part.
            others: Name -> folder, see `other_run`.

        Raises:
            RunError: If a run has fewer than two prompt groups that are new to the network.
        """
        parts = (self.split.train, self.split.validation)
        known = {prompt.group for part in parts for prompt in part}
        for name, path in others.items():
            run = other_run(self.run, path)
            unseen = [prompt for prompt in run.prompts.values() if prompt.group not in known]
            groups = len({prompt.group for prompt in unseen})
            if groups < 2:
                raise RunError(
                    f"run {name} has prompts of {groups} groups that the network was not trained "
                    f"on; at least 2 are needed: draw prompts of other objects"
                )
            prompts = sorted(unseen, key=lambda prompt: prompt.id)[: len(self.split.test)]
            answers = trained.classify(self.stream(prompts, run))
            yield Trial.of(name, answers, before.of_prompts(prompts))

    def train_null(self, rng: np.random.Generator) -> tuple[Training, Trial]:
        """Train under the null and test: owners are permuted within each prompt."""
        shape = (len(self.seeds), len(self.split.train))
        (owners,) = permuted_owners(shape[0], [range(shape[1])], rng)
        trained = self.train(self.split.train, name="permuted owners", owners=owners.T)
        trial = Trial.of("null: trained on permuted owners", self.test(trained))
        history = trained.progress.history
        return Training("permuted owners", shape[1], history, trial.top1), trial

    def train_on_share(self, share: float) -> Training:
        """Train on a share of the prompts, with the same number of steps as on all prompts."""
        prompts = some_groups(self.split.train, share)
        epochs = round(self.course.epochs * len(self.split.train) / len(prompts))
        name = f"{share:g} of the prompts"
        trained = self.train(prompts, name=name, epochs=epochs)
        top1 = Trial.of("", self.test(trained)).top1
        return Training(name, len(prompts), trained.progress.history, top1)

    def maps(self, trained: Classifier, *, seeds: int, prompts: int) -> Maps | None:
        """Compute Grad-CAM maps of the first seeds and test prompts; see `grad_cam`."""
        chosen = _of_different_groups(self.split.test, prompts)
        stream = Stream(self.run, chosen, self.seeds[:seeds])
        batch = next(stream.batches(stream.cells))
        pixels = pixels_of(batch.images, self.course.device)
        classes = torch.from_numpy(batch.seeds).to(self.course.device)
        maps = grad_cam(trained.network, pixels, classes)
        if maps is None:
            return None
        of_images = tuple(chosen[index] for index in batch.prompts)
        return Maps(batch.images, maps, np.asarray(self.seeds)[batch.seeds], of_images)


def owners_p(answers: Answers, rng: np.random.Generator) -> float:
    """One-sided p-value of the number of correct answers, with owners permuted by prompt group.

    All prompts of a group are permuted alike, because a network that names a wrong seed for one
    image of a seed and a group names it for others, too.

    Returns:
        (b + 1) / (B + 1), where b of B = `NULL_DRAWS` draws have at least as many correct answers.
    """
    predicted = answers.predicted.T
    groups = [prompt.group for prompt in answers.stream.prompts]
    truth = np.arange(len(predicted))[:, None]
    drawn = (permute_owners(predicted, groups, rng) for _ in range(NULL_DRAWS))
    return p_value([(draw == truth).sum() for draw in drawn], float((predicted == truth).sum()))


def most_confused_seed(answers: Answers, seed: int) -> int | None:
    """Find the other seed that was named most often for the images of a seed.

    Args:
        answers: The answers.
        seed: Index of the seed.

    Returns:
        The index of the other seed; None if no other seed was named.
    """
    predicted: NDArray[Any] = answers.predicted[:, seed]
    wrong = predicted[(predicted >= 0) & (predicted != seed)]
    return int(np.bincount(wrong).argmax()) if len(wrong) else None


def _of_different_groups(prompts: Sequence[Prompt], count: int) -> tuple[Prompt, ...]:
    """The first prompts of all groups, then the other prompts."""
    first = {prompt.group: prompt for prompt in reversed(prompts)}
    rest = [prompt for prompt in prompts if prompt not in first.values()]
    return (*first.values(), *rest)[:count]
