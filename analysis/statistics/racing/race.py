"""Run a race: draw the contested seeds, look, and decide which seeds go on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import Flags, Floats, Indices
from analysis.statistics.racing.bounds import (
    bundle_interval,
    bundle_sums,
    certainly_top,
    squared_errors,
)
from analysis.statistics.racing.plan import Plan
from analysis.statistics.reliability import top_quarter_probability, top_with_ties
from analysis.statistics.shrinkage import Shrunken, shrink

Observe = Callable[[Indices, range], Floats]
"""Takes seeds by index, shape (A,), and a range of units; returns values of shape (A, units)."""

TINY = 1e-12


@dataclass(frozen=True, eq=False)
class RaceResult:
    """The result of a race. Arrays have shape (S,) unless stated; larger values are better.

    Attributes:
        plan: The race's plan.
        panel: Indices of the panel's seeds, shape (panel,).
        units: Number of units drawn.
        value: Mean deviation from the panel.
        low: Lower bound of the deviation; holds for all seeds and looks simultaneously.
        high: Upper bound of the deviation, as `low`.
        shrunken: The deviations, shrunk towards the population of seeds.
        certain: Whether the bounds put the seed among the best `top`.
        listed: Indices of the best `top` seeds by shrunken value, the best first; all seeds that
            tie at the boundary are listed.
        noise: Standard error of a seed's mean, clustered by bundle, scaled to a single unit.
    """

    plan: Plan
    panel: Indices
    units: Indices
    value: Floats
    low: Floats
    high: Floats
    shrunken: Shrunken
    certain: Flags
    listed: Indices
    noise: float

    @property
    def drawn(self) -> int:
        """Number of seeds times units drawn."""
        return int(self.units.sum())

    def probability(self, rng: np.random.Generator) -> Floats:
        """Posterior probability that each seed is among the best `top`.

        One minus the mean over the listed seeds is the expected share of wrong seeds. A posterior
        stays valid although what was drawn depended on earlier observations. It assumes normal
        effects and normal noise; the bound on the certain seeds assumes nothing about the effects.
        """
        share = self.plan.top / self.plan.seeds
        return top_quarter_probability(self.shrunken.mean, self.shrunken.sd, rng, share=share)


def run_race(
    plan: Plan, observe: Observe, rng: np.random.Generator, bundles: Indices | None = None
) -> RaceResult:
    """Run a race.

    Args:
        plan: From `plan_race`.
        observe: Returns observations, larger is better. It is called once per look, with seeds
            and units that were not requested before.
        rng: Chooses the panel.
        bundles: The bundle of each unit, shape (units,); None if each unit is its own bundle.

    Returns:
        The result. The same observations and random stream give the same result, so an
        interrupted race is resumed by running it again on what is already drawn.

    Example:
        >>> from analysis.statistics.racing.plan import plan_race
        >>> effects = np.arange(32.0)[:, None]
        >>> noise = np.random.default_rng(0).normal(size=(32, 40))
        >>> plan = plan_race(32, 40, top=8, budget=0.5)
        >>> see = lambda seeds, units: (effects + noise)[seeds, units.start : units.stop]
        >>> result = run_race(plan, see, np.random.default_rng(1))
        >>> sorted(result.listed.tolist())
        [24, 25, 26, 27, 28, 29, 30, 31]
    """
    panel = np.sort(rng.permutation(plan.seeds)[: plan.panel])
    last = plan.looks[-1].units
    table = np.full((plan.seeds, last), np.nan)
    labels = np.arange(last) if bundles is None else bundles[:last]
    estimates = _Estimates.before_the_race(plan.seeds)
    before = 0
    for look in plan.looks:
        contested = estimates.nearest(plan.top, look.contested)
        drawn = np.union1d(contested, panel)
        table[drawn, before : look.units] = observe(drawn, range(before, look.units))
        before = look.units
        deviations = table - table[panel].mean(axis=0)
        estimates = estimates.updated(deviations, contested, plan.level, labels)
    return RaceResult(
        plan=plan,
        panel=panel,
        units=estimates.count,
        value=estimates.value,
        low=estimates.low,
        high=estimates.high,
        shrunken=estimates.shrunken,
        certain=certainly_top(estimates.low, estimates.high, plan.top),
        listed=top_with_ties(estimates.shrunken.mean, plan.top, direction="higher"),
        noise=estimates.noise,
    )


@dataclass(frozen=True, eq=False)
class _Estimates:
    """Knowledge of the seeds after a look; arrays have shape (S,), except `contested`."""

    contested: Indices
    count: Indices
    value: Floats
    low: Floats
    high: Floats
    noise: float
    shrunken: Shrunken

    @classmethod
    def before_the_race(cls, seeds: int) -> "_Estimates":
        zeros, infinite = np.zeros(seeds), np.full(seeds, np.inf)
        prior = Shrunken(zeros, np.ones(seeds), 0.0, 0.0)
        return cls(np.arange(seeds), zeros.astype(np.intp), zeros, -infinite, infinite, 0.0, prior)

    def nearest(self, top: int, count: int) -> Indices:
        """The contested seeds whose membership is least settled, in ascending order."""
        ranked = np.sort(self.shrunken.mean)[::-1]
        boundary = (ranked[top - 1] + ranked[top]) / 2
        distance = np.abs(self.shrunken.mean - boundary) / np.maximum(self.shrunken.sd, TINY)
        order = np.argsort(distance[self.contested], kind="stable")
        return np.sort(self.contested[order[:count]])

    def updated(
        self, deviations: Floats, contested: Indices, level: float, bundles: Indices
    ) -> "_Estimates":
        """Update the estimates with all units drawn so far; NaN marks what was not drawn."""
        count = np.isfinite(deviations).sum(axis=1)
        value = np.nanmean(deviations, axis=1)
        sums, counts = bundle_sums(deviations, bundles)
        squares = squared_errors(deviations, sums, counts)
        low, high = bundle_interval(sums, counts, level)
        return _Estimates(
            contested,
            count,
            value,
            np.maximum(self.low, low),
            np.minimum(self.high, high),
            float(np.sqrt((squares * count).mean())),
            shrink(value, np.maximum(np.sqrt(squares), TINY)),
        )


def uniform_error(result: RaceResult, rng: np.random.Generator, *, draws: int = 200) -> float:
    """Expected share of wrong seeds if the same number of images were spread evenly over seeds.

    It is simulated with the spread of effects and the noise that the race estimated.

    Args:
        result: The race.
        rng: Draws effects and noise.
        draws: Number of simulations.
    """
    plan = result.plan
    effects = result.shrunken.spread * rng.standard_normal((draws, plan.seeds))
    error = result.noise / np.sqrt(result.drawn / plan.seeds)
    observed = effects + error * rng.standard_normal(effects.shape)
    best, listed = (np.argsort(-x, axis=1)[:, : plan.top] for x in (effects, observed))
    shared = [len(np.intersect1d(*pair)) for pair in zip(best, listed, strict=True)]
    return 1 - float(np.mean(shared)) / plan.top
