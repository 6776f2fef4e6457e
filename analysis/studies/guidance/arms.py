"""Runs of one model at several guidance scales, with and without a change: two numbers of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample, read_cells
from analysis.metrics import Metric, load_metric
from analysis.statistics.arrays import Flags, Floats, Indices
from analysis.statistics.spectra import BLOCKS
from analysis.study_tools.measured import measured_feature, refuse_unmeasured
from analysis.study_tools.other_runs import UNNAMED, aligned, intervention_text
from pipeline.errors import RunError
from pipeline.runs.run import Run

NONE = "none"
SETS = (1, 2, 3)
"""All: nothing is chosen here."""
OTHERWISE_ALIKE = ("guidance_scale", "intervention", *UNNAMED)
"""What may differ between the arms."""
ALIGNMENT = {"clip": "clip_score", "clip_seedling": "clip_seedling"}
"""Feature -> the metric that is the mean of its similarity with the prompt."""


@dataclass(frozen=True)
class Arm:
    """One way of drawing.

    Attributes:
        name: The run's name.
        change: The intervention, with its parameters where they tell it apart; "none" without.
        guidance: The guidance scale; 1 or less is without guidance.
    """

    name: str
    change: str
    guidance: float


def alignment_metric(run: Run) -> Metric:
    """The CLIP score of the first CLIP that a run's recipe measures.

    Raises:
        RunError: If it measures none.
    """
    name, at, card = measured_feature(run, tuple(ALIGNMENT)).partition("@")
    return load_metric(f"{ALIGNMENT[name]}{at}{card}")


def guidance_arms(runs: Mapping[str, Run]) -> dict[Arm, Run]:
    """The runs that differ from the first in guidance and intervention only.

    Returns:
        By arm: without an intervention first, then as the runs come; guidance ascending.

    Raises:
        RunError: If a change has two runs of the same guidance.
    """
    first = next(iter(runs.values()))
    alike = {name: run for name, run in runs.items() if _settings(run) == _settings(first)}
    told = _changes(alike)
    arms = {
        Arm(name, told[name], float(run.config.guidance_scale)): run for name, run in alike.items()
    }
    changes = list(dict.fromkeys([NONE, *(arm.change for arm in arms)]))
    ordered = sorted(arms, key=lambda arm: (changes.index(arm.change), arm.guidance))
    for one, two in pairwise(ordered):
        if (one.change, one.guidance) == (two.change, two.guidance):
            raise RunError(
                f"{one.name} and {two.name} are both {one.change} at guidance {one.guidance:g}; "
                f"a curve needs one run of each: name the runs (--set 'runs=...')"
            )
    return {arm: arms[arm] for arm in ordered}


def _settings(run: Run) -> dict[str, Any]:
    told = run.config.model_dump(mode="json")
    return {name: value for name, value in told.items() if name not in OTHERWISE_ALIKE}


def _changes(runs: Mapping[str, Run]) -> dict[str, str]:
    """The intervention of every run; its parameters are told where its name does not suffice."""
    fields = {name: run.config.intervention.model_dump(mode="json") for name, run in runs.items()}
    texts = {name: intervention_text(each) for name, each in fields.items()}
    variants = Counter(name for name, _ in {(fields[run]["name"], texts[run]) for run in runs})
    return {
        run: fields[run]["name"] if variants[fields[run]["name"]] == 1 else texts[run]
        for run in runs
    }


@dataclass(frozen=True, eq=False)
class PooledArms:
    """The pooled images of every arm, on the same S seeds and P prompts.

    Attributes:
        arms: The A arms.
        metrics: Alignment and quality.
        seeds: Number of seeds.
        groups: Shape (P,), the group of each prompt.
        prepared: Per arm and metric what belongs to each image: arrays of shape (S, P, ...).
    """

    arms: tuple[Arm, ...]
    metrics: tuple[Metric, Metric]
    seeds: int
    groups: NDArray[np.str_]
    prepared: tuple[tuple[tuple[NDArray[Any], ...], ...], ...]

    @classmethod
    def read(cls, arms: Mapping[Arm, Run], metrics: tuple[Metric, Metric]) -> "PooledArms":
        """Read the features of all runs, on the seeds and prompts that all of them have.

        Raises:
            RunError: If a run lacks a feature or cells, or a metric cannot be shown; names it.
        """
        needs = list(dict.fromkeys(need for metric in metrics for need in metric.needs))
        samples = aligned({arm.name: _sample(arm, run, needs) for arm, run in arms.items()})
        first = next(iter(samples.values()))
        for metric in metrics:
            refused = metric.refusal(_pooled_columns(first.only(metric.needs)))
            if refused:
                raise RunError(f"{metric.name} needs other images than there are: {refused}")
        prepared = tuple(
            tuple(metric.prepare(each.only(metric.needs)) for metric in metrics)
            for each in samples.values()
        )
        return cls(tuple(arms), metrics, len(first.seeds), first.groups, prepared)

    @property
    def n(self) -> int:
        """Images of an arm."""
        return self.seeds * len(self.groups)

    @property
    def everything(self) -> tuple[Indices, Indices]:
        """All seeds and all prompts, by place."""
        return np.arange(self.seeds), np.arange(len(self.groups))

    @property
    def freedom(self) -> int:
        """Degrees of freedom of a jackknife over seeds and over groups: the smaller of both."""
        return min(self.seeds, len(set(self.groups.tolist())), BLOCKS) - 1

    def values(self, seeds: Indices, prompts: Indices) -> Floats:
        """Alignment and quality of every arm's pooled images, shape (A, 2), metrics' own units."""
        return np.array([self._of(each, seeds, prompts) for each in self.prepared])

    def better(self, values: Floats) -> Floats:
        """The same with larger being better, shape (A, 2)."""
        return values * [1.0 if metric.higher_is_better else -1.0 for metric in self.metrics]

    def exchanged(self, values: Floats, pairs: Sequence[tuple[int, int]], swap: Flags) -> Floats:
        """`values` of everything where pairs of arms change places on some prompts.

        Args:
            values: Without an exchange; arms in no pair keep theirs.
            pairs: Places of arms.
            swap: Which prompts, bool (P,).
        """
        found = values.copy()
        for pair in pairs:
            for one, two in (pair, pair[::-1]):
                mixed = [
                    tuple(_swapped(a, b, swap) for a, b in zip(x, y, strict=True))
                    for x, y in zip(self.prepared[one], self.prepared[two], strict=True)
                ]
                found[one] = self._of(mixed, *self.everything)
        return found

    def _of(
        self, of_metrics: Sequence[Sequence[NDArray[Any]]], seeds: Indices, prompts: Indices
    ) -> list[float]:
        at = np.ix_(seeds, prompts)
        return [
            float(metric.values([_pooled(array[at]) for array in arrays])[0])
            for metric, arrays in zip(self.metrics, of_metrics, strict=True)
        ]


def _sample(arm: Arm, run: Run, needs: Sequence[str]) -> Sample:
    try:
        refuse_unmeasured(run, needs)
        return read_cells(run, needs, sets=SETS).sample(needs)
    except RunError as error:
        raise RunError(f"{arm.name}: {error}") from error


def _pooled(array: NDArray[Any]) -> NDArray[Any]:
    """(S, P, ...) as one seed with all images, (1, S P, ...)."""
    return array.reshape(1, -1, *array.shape[2:])


def _pooled_columns(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: _pooled(values) for name, values in columns.items()}


def _swapped(own: NDArray[Any], other: NDArray[Any], swap: Flags) -> NDArray[Any]:
    """An array with some prompts' images taken from another."""
    mixed = own.copy()
    mixed[:, swap] = other[:, swap]
    return mixed
