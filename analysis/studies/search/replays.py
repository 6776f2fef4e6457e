"""Races replayed on a run that is all drawn, judged by prompts that they did not see."""

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
from analysis.statistics.nulls import permute_within_prompt
from analysis.statistics.racing import Plan, RaceResult, run_race
from analysis.statistics.reliability import top_with_ties
from analysis.study_tools.race_units import bundle_numbers, unit_values


@dataclass(frozen=True, eq=False)
class Truth:
    """What a full run says: the lists of two prompt sets, and a third set to judge on.

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
        """What the metric made of each set."""
        return [self.metric.prepare(each.only(self.metric.needs)) for each in self.samples]

    def values(self, number: int, keep: NDArray[Any] | None = None) -> Floats:
        """Values on one set, larger is better; on some of its prompts only, if asked."""
        arrays = self.prepared[number]
        chosen = arrays if keep is None else [array[:, keep] for array in arrays]
        return (1.0 if self.metric.higher_is_better else -1.0) * self.metric.values(chosen)

    @cached_property
    def own(self) -> Indices:
        """Set 1's full list, places of seeds, best first."""
        return top_with_ties(self.values(0), self.top, direction="higher")

    @cached_property
    def other(self) -> Indices:
        """Set 2's full list: a second full run, on other prompts."""
        return top_with_ties(self.values(1), self.top, direction="higher")

    @property
    def ceiling(self) -> float:
        """What the two full lists share: no list of set 1 can be expected to do better."""
        return overlap(self.own, self.other)

    def judge(self, lists: Sequence[Indices]) -> dict[str, float]:
        """How lists of one kind do, over replays."""
        other = np.array([overlap(each, self.other) for each in lists])
        gain = self.gain(lists)
        low, high = np.percentile(other, [2.5, 97.5])
        return {
            "agreement": float(other.mean()),
            "agreement_low": float(low),
            "agreement_high": float(high),
            "attained": float(other.mean() / self.ceiling) if self.ceiling else float("nan"),
            "agreement_own": float(np.mean([overlap(each, self.own) for each in lists])),
            "gain": gain.value,
            "gain_low": gain.low,
            "gain_high": gain.high,
        }

    def gain(self, lists: Sequence[Indices]) -> Interval:
        """Mean of the listed seeds on set 3 less that of all, jackknife over its groups."""
        weights = np.full(len(self.seeds), -1 / len(self.seeds))
        for each in lists:
            weights[each] += 1 / len(each) / len(lists)
        third = self.samples[2]
        blocks = balanced_blocks(third.groups, third.n)
        sizes = np.bincount(blocks)
        without = [float(weights @ self.values(2, blocks != one)) for one in range(len(sizes))]
        return jackknife_interval(float(weights @ self.values(2)), without, sizes)

    def permuted(self, rng: np.random.Generator) -> "Truth":
        """The same with owners permuted within every prompt."""
        return Truth(self.metric, [permute_owners(one, rng) for one in self.samples], self.share)


def permute_owners(sample: Sample, rng: np.random.Generator) -> Sample:
    """Draw from "no seed effect": within each prompt, which seed owns which image."""
    seeds = np.broadcast_to(np.arange(len(sample.seeds))[:, None], (len(sample.seeds), sample.n))
    at = (np.asarray(permute_within_prompt(seeds, rng), dtype=np.intp), np.arange(sample.n))
    columns: Mapping[str, Any] = {name: values[at] for name, values in sample.columns.items()}
    return Sample(sample.seeds, sample.prompts, columns, sample.dropped)


def replay(
    truth: Truth, units: Sequence[Indices], plan: Plan, rng: np.random.Generator
) -> RaceResult:
    """Run a race on set 1 as if nothing of it were drawn yet.

    Args:
        truth: The full run.
        units: Set 1's prompts in the race's order.
        plan: The race's plan.
        rng: As for `run_race`.
    """
    sample = truth.samples[0]
    used = units[: plan.looks[-1].units]
    groups = sample.groups.tolist()
    table = unit_values(truth.metric, sample.only(truth.metric.needs), groups, used)
    bundles = bundle_numbers([{groups[place] for place in unit} for unit in used])

    def observe(seeds: Indices, wanted: range) -> Floats:
        return np.asarray(table[seeds, wanted.start : wanted.stop])

    return run_race(plan, observe, rng, bundles)


def images_drawn(race: RaceResult, units: Sequence[Indices]) -> NDArray[np.intp]:
    """Images that a race drew of each seed, shape (S,)."""
    sizes = np.cumsum([len(unit) for unit in units])
    return np.asarray(sizes[race.units - 1])


def spread_evenly(truth: Truth, images: int, rng: np.random.Generator) -> Indices:
    """The list that as many images, rounded up, give if every seed gets the same prompts.

    The prompts are drawn from all groups alike, which is better than bundles of groups, as a race
    needs them: what stands beside the race is the best that is simple.
    """
    each = -(-images // len(truth.seeds))
    keep = rng.permutation(truth.samples[0].n)[:each]
    return top_with_ties(truth.values(0, keep), truth.top, direction="higher")


def overlap(found: Indices, truth: Indices) -> float:
    """Share of the longer of two lists that is in both.

    Example:
        >>> overlap(np.array([1, 2]), np.array([2, 3, 4, 5]))
        0.25
    """
    return len(np.intersect1d(found, truth)) / max(len(found), len(truth))
