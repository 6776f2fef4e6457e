"""Read the runs of one model at several guidance scales, and evaluate their pooled images."""

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
from analysis.study_tools.other_runs import NOT_SAMPLING, align, intervention_text
from pipeline.errors import RunError
from pipeline.runs.run import Run

NONE = "none"
SETS = (1, 2, 3)
"""All sets are used, because no seed is chosen here."""
MAY_DIFFER = ("guidance_scale", "intervention", *NOT_SAMPLING)
"""Settings that may differ between the arms."""
ALIGNMENT = {"clip": "clip_score", "clip_seedling": "clip_seedling"}
"""Feature -> metric that is the mean of its similarity to the prompt."""


@dataclass(frozen=True)
class Arm:
    """An intervention at a guidance scale.

    Attributes:
        name: Name of the run.
        change: The intervention, or "none"; with its parameters if arms differ in them.
        guidance: The guidance scale; 1 or less is without guidance.
    """

    name: str
    change: str
    guidance: float


def alignment_metric(run: Run) -> Metric:
    """Look up the CLIP score of the first CLIP that a run's recipe measures.

    Raises:
        RunError: If the recipe measures no CLIP.
    """
    name, at, card = measured_feature(run, tuple(ALIGNMENT)).partition("@")
    return load_metric(f"{ALIGNMENT[name]}{at}{card}")


def guidance_arms(runs: Mapping[str, Run]) -> dict[Arm, Run]:
    """Select the runs that differ from the first only in guidance and intervention.

    Returns:
        Arm -> run. Arms without an intervention come first, then the others in the order of the
        runs; the guidance scale ascends within each intervention.

    Raises:
        RunError: If two runs have the same intervention and guidance.
    """
    first = next(iter(runs.values()))
    comparable = {name: run for name, run in runs.items() if _settings(run) == _settings(first)}
    change_of = _changes(comparable)
    arms = {
        Arm(name, change_of[name], float(run.config.guidance_scale)): run
        for name, run in comparable.items()
    }
    changes = list(dict.fromkeys([NONE, *(arm.change for arm in arms)]))
    ordered = sorted(arms, key=lambda arm: (changes.index(arm.change), arm.guidance))
    for arm, following in pairwise(ordered):
        if (arm.change, arm.guidance) == (following.change, following.guidance):
            raise RunError(
                f"{arm.name} and {following.name} are both {arm.change} at guidance "
                f"{arm.guidance:g}; a curve needs one run of each: name the runs (--set 'runs=...')"
            )
    return {arm: arms[arm] for arm in ordered}


def _settings(run: Run) -> dict[str, Any]:
    """The settings that must not differ."""
    settings = run.config.model_dump(mode="json")
    return {name: value for name, value in settings.items() if name not in MAY_DIFFER}


def _changes(runs: Mapping[str, Run]) -> dict[str, str]:
    """The intervention of every run, with its parameters if runs differ in them."""
    fields = {name: run.config.intervention.model_dump(mode="json") for name, run in runs.items()}
    texts = {name: intervention_text(field) for name, field in fields.items()}
    variants = Counter(name for name, _ in {(fields[run]["name"], texts[run]) for run in runs})
    return {
        run: fields[run]["name"] if variants[fields[run]["name"]] == 1 else texts[run]
        for run in runs
    }


@dataclass(frozen=True, eq=False)
class PooledArms:
    """The pooled images of all arms, on the same S seeds and P prompts.

    Attributes:
        arms: The A arms.
        metrics: Alignment and quality.
        seeds: Number of seeds.
        groups: Shape (P,), the group of each prompt.
        prepared: For each arm and metric, the prepared arrays of shape (S, P, ...).
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
            RunError: If a run lacks a feature or cells, or a metric refuses the images.
        """
        needs = list(dict.fromkeys(need for metric in metrics for need in metric.needs))
        samples = align({arm.name: _sample(arm, run, needs) for arm, run in arms.items()})
        first = next(iter(samples.values()))
        for metric in metrics:
            refusal = metric.refusal(_pooled_columns(first.only(metric.needs)))
            if refusal:
                raise RunError(f"{metric.name} cannot be computed, because the runs have {refusal}")
        prepared = tuple(
            tuple(metric.prepare(sample.only(metric.needs)) for metric in metrics)
            for sample in samples.values()
        )
        return cls(tuple(arms), metrics, len(first.seeds), first.groups, prepared)

    @property
    def n(self) -> int:
        """Images of an arm."""
        return self.seeds * len(self.groups)

    @property
    def everything(self) -> tuple[Indices, Indices]:
        """Indices of all seeds and of all prompts."""
        return np.arange(self.seeds), np.arange(len(self.groups))

    @property
    def freedom(self) -> int:
        """Degrees of freedom, of the smaller of the two jackknives over seeds and over groups."""
        return min(self.seeds, len(set(self.groups.tolist())), BLOCKS) - 1

    def values(self, seeds: Indices, prompts: Indices) -> Floats:
        """Alignment and quality of the pooled images of every arm, shape (A, 2), in their units."""
        return np.array([self._evaluate(arrays, seeds, prompts) for arrays in self.prepared])

    def better(self, values: Floats) -> Floats:
        """Turn values so that larger is better, shape (A, 2)."""
        return values * [1.0 if metric.higher_is_better else -1.0 for metric in self.metrics]

    def exchanged(self, values: Floats, pairs: Sequence[tuple[int, int]], swap: Flags) -> Floats:
        """Compute `values` of everything after pairs of arms are exchanged on some prompts.

        Args:
            values: The values without an exchange; arms in no pair keep theirs.
            pairs: Indices of the arms.
            swap: Shape (P,), whether the arms are exchanged on a prompt.
        """
        result = values.copy()
        for pair in pairs:
            for arm, partner in (pair, pair[::-1]):
                mixed = [
                    tuple(_swapped(a, b, swap) for a, b in zip(x, y, strict=True))
                    for x, y in zip(self.prepared[arm], self.prepared[partner], strict=True)
                ]
                result[arm] = self._evaluate(mixed, *self.everything)
        return result

    def _evaluate(
        self, prepared: Sequence[Sequence[NDArray[Any]]], seeds: Indices, prompts: Indices
    ) -> list[float]:
        """Alignment and quality of one arm's pooled images."""
        cells = np.ix_(seeds, prompts)
        return [
            float(metric.values([_pooled(array[cells]) for array in arrays])[0])
            for metric, arrays in zip(self.metrics, prepared, strict=True)
        ]


def _sample(arm: Arm, run: Run, needs: Sequence[str]) -> Sample:
    try:
        refuse_unmeasured(run, needs)
        return read_cells(run, needs, sets=SETS).sample(needs)
    except RunError as error:
        raise RunError(f"{arm.name}: {error}") from error


def _pooled(array: NDArray[Any]) -> NDArray[Any]:
    """Join the images of all seeds into one seed, (S, P, ...) -> (1, S P, ...)."""
    return array.reshape(1, -1, *array.shape[2:])


def _pooled_columns(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: _pooled(values) for name, values in columns.items()}


def _swapped(array: NDArray[Any], other: NDArray[Any], swap: Flags) -> NDArray[Any]:
    """A copy of an array with the images of some prompts taken from another."""
    mixed = array.copy()
    mixed[:, swap] = other[:, swap]
    return mixed
