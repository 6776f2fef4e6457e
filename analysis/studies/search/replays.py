"""Replay races on a fully drawn run, and judge them by prompts that they did not see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.intervals import Interval, jackknife_interval
from analysis.statistics.leave_out import balanced_blocks
from analysis.statistics.owners import owned, permuted_owners
from analysis.statistics.racing import Plan, RaceResult, run_race
from analysis.statistics.reliability import top_with_ties
from analysis.study_tools.race_units import bundle_numbers, unit_values


@dataclass(frozen=True, eq=False)
class Truth:
    """A full run: the lists of two prompt sets, and a third set to measure gains on.

    Attributes:
        metric: From `analysis.study_tools.race_units.race_metric`.
        samples: Sets 1, 2 and 3, of the same seeds.
        share: Share of the seeds in a list.
    """

    metric: Metric
    samples: Sequence[Sample]
    share: float

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return self.samples[0].seeds

    @property
    def top(self) -> int:
        """Length of a list."""
        return max(1, round(self.share * len(self.seeds)))

    @cached_property
    def prepared(self) -> list[tuple[Any, ...]]:
        """The arrays that the metric prepared from each set."""
        return [self.metric.prepare(sample.only(self.metric.needs)) for sample in self.samples]

    def values(self, number: int, keep: NDArray[Any] | None = None) -> Floats:
        """Values of the seeds on one set, or on some of its prompts; larger is better."""
        arrays = self.prepared[number]
        chosen = arrays if keep is None else [array[:, keep] for array in arrays]
        return (1.0 if self.metric.higher_is_better else -1.0) * self.metric.values(chosen)

    @cached_property
    def first_list(self) -> Indices:
        """The full list of set 1: indices of seeds, the best first."""
        return top_with_ties(self.values(0), self.top, direction="higher")

    @cached_property
    def second_list(self) -> Indices:
        """The full list of set 2, which stands for a second full run on other prompts."""
        return top_with_ties(self.values(1), self.top, direction="higher")

    @property
    def ceiling(self) -> float:
        """Agreement of the two full lists: no list of set 1 can be expected to do better."""
        return overlap(self.first_list, self.second_list)

    def judge(self, lists: Sequence[Indices]) -> dict[str, float]:
        """Judge the lists of one method over replays: agreement and gain."""
        agreement = np.array([overlap(seeds, self.second_list) for seeds in lists])
        gain = self.gain(lists)
        low, high = np.percentile(agreement, [2.5, 97.5])
        mean = agreement.mean()
        return {
            "agreement": float(mean),
            "agreement_low": float(low),
            "agreement_high": float(high),
            "attained": float(mean / self.ceiling) if self.ceiling else float("nan"),
            "agreement_own": float(np.mean([overlap(seeds, self.first_list) for seeds in lists])),
            "gain": gain.value,
            "gain_low": gain.low,
            "gain_high": gain.high,
        }

    def gain(self, lists: Sequence[Indices]) -> Interval:
        """Mean of the listed seeds on set 3 minus the mean of all, by jackknife over groups."""
        weights = np.full(len(self.seeds), -1 / len(self.seeds))
        for seeds in lists:
            weights[seeds] += 1 / len(seeds) / len(lists)
        third = self.samples[2]
        blocks = balanced_blocks(third.groups, third.n)
        sizes = np.bincount(blocks)
        without = [float(weights @ self.values(2, blocks != block)) for block in range(len(sizes))]
        return jackknife_interval(float(weights @ self.values(2)), without, sizes)

    def permuted(self, rng: np.random.Generator) -> "Truth":
        """Draw once from the null "no seed effect"; a group has the same owners in all sets."""
        owners = permuted_owners(len(self.seeds), [each.groups for each in self.samples], rng)
        pairs = zip(self.samples, owners, strict=True)
        return Truth(self.metric, [_permuted(sample, own) for sample, own in pairs], self.share)


def _permuted(sample: Sample, owners: Indices) -> Sample:
    columns: Mapping[str, Any] = {
        name: owned(values, owners) for name, values in sample.columns.items()
    }
    return Sample(sample.seeds, sample.prompts, columns, sample.dropped)


def replay(
    truth: Truth, units: Sequence[Indices], plan: Plan, rng: np.random.Generator
) -> RaceResult:
    """Run a race on set 1 as if none of its images were drawn yet.

    Args:
        truth: The full run.
        units: Indices of set 1's prompts in each unit, in the order of the race.
        plan: The plan of the race.
        rng: As for `run_race`.
    """
    sample = truth.samples[0]
    used = units[: plan.looks[-1].units]
    groups = sample.groups.tolist()
    table = unit_values(truth.metric, sample.only(truth.metric.needs), groups, used)
    bundles = bundle_numbers([{groups[prompt] for prompt in unit} for unit in used])

    def observe(seeds: Indices, wanted: range) -> Floats:
        return np.asarray(table[seeds, wanted.start : wanted.stop])

    return run_race(plan, observe, rng, bundles)


def images_drawn(race: RaceResult, units: Sequence[Indices]) -> NDArray[np.intp]:
    """Count the images that a race drew of each seed, shape (S,)."""
    sizes = np.cumsum([len(unit) for unit in units])
    return np.asarray(sizes[race.units - 1])


def spread_evenly(truth: Truth, images: int, rng: np.random.Generator) -> Indices:
    """List the best seeds by a number of images that is spread evenly over all seeds.

    The number is rounded up to a multiple of the number of seeds. The prompts are drawn at random
    from all groups. This is better than bundles of groups, which only a race needs, so the race is
    compared with the best simple method.
    """
    images_per_seed = -(-images // len(truth.seeds))
    keep = rng.permutation(truth.samples[0].n)[:images_per_seed]
    return top_with_ties(truth.values(0, keep), truth.top, direction="higher")


def overlap(first: Indices, second: Indices) -> float:
    """Share of the longer of two lists that is in both lists.

    Example:
        >>> overlap(np.array([1, 2]), np.array([2, 3, 4, 5]))
        0.25
    """
    return len(np.intersect1d(first, second)) / max(len(first), len(second))
