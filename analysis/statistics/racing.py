"""Racing: which seeds are best, with a fraction of the images and a bound on the error.

A race looks at the seeds a few times. Before the first look all seeds are drawn; after each look
only those whose place is least settled, half as many every time, go on: seeds near the boundary
of the list, not the best ones (after Karnin, Koren and Somekh 2013, "Almost optimal exploration in
multi-armed bandits"; turned to lists of many seeds as in Bubeck, Wang and Viswanathan 2013,
"Multiple identifications in multi-armed bandits"). That choice may be any heuristic, for the
bound does not rest on it.

The bound: at every planned look every seed has a t interval of its deviation, at level
1 - error / (seeds x looks). By the union bound all of them hold at once, for all seeds and all
looks, with probability 1 - error, whatever was drawn because of them and whenever one stops. A
seed is *certain* when fewer than `top` others can lie above it. Confidence sequences (Howard et
al. 2021, arXiv:1810.08240) would allow a look after every image; with few planned looks the union
bound costs less, and t intervals need no bound on the values and no guess of their variance, which
mixtures of normals do.

Observations are *units* of some prompts. Units with prompts of the same prompt groups make a
*bundle*: the list goes by all units alike, but every error by the bundles, since bundles are
independent although units of one are not. Seeds share their prompts; what a prompt does to all of
them is taken off by a *panel* of seeds that is drawn to the end.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.reliability import top_quarter_probability, top_with_ties
from analysis.statistics.shrinkage import Shrunken, shrink

Observe = Callable[[Indices, range], Floats]
"""Takes places of seeds, shape (A,), and numbers of units; gives values of shape (A, units)."""

FIRST = 0.5
"""Share of the budget that all seeds get alike before the first look."""
HALVINGS = 3
LEAST_UNITS = 2
TINY = 1e-12


@dataclass(frozen=True)
class Look:
    """A planned look.

    Attributes:
        contested: Seeds that are drawn for it beside the panel.
        units: Units that these then have.
    """

    contested: int
    units: int


@dataclass(frozen=True)
class Plan:
    """A race, fixed before the first image is drawn.

    Attributes:
        seeds: Seeds in the race.
        top: Length of the list.
        panel: Seeds drawn to the end, the first of a random order.
        error: Probability that any certain seed is wrong, at most.
        looks: In order; the first has all seeds contested.
    """

    seeds: int
    top: int
    panel: int
    error: float
    looks: tuple[Look, ...]

    @property
    def cost(self) -> int:
        """Seeds times units drawn, at most."""
        first, *later = self.looks
        units = [look.units for look in self.looks]
        steps = np.diff(units)
        after = zip(later, steps, strict=True)
        drawn = sum(
            int(step) * min(self.seeds, look.contested + self.panel) for look, step in after
        )
        return first.units * self.seeds + drawn

    @property
    def level(self) -> float:
        """Confidence of a single interval."""
        return 1 - self.error / (self.seeds * len(self.looks))


def plan_race(seeds: int, units: int, *, top: int, budget: float, error: float = 0.1) -> Plan:
    """Plan a race that draws a share of the grid.

    Half of the budget goes to all seeds alike; the rest, in equal parts, to the half, the quarter
    and the eighth of them that lie nearest to the boundary. In simulation (1,024 seeds, normal
    effects, 40 or 200 units, reliability 0.95, 0.9 and 0.7 of a full run) 20 % of the images
    reached 94, 90 and 82 % of what two full runs agree on, where as many images spread evenly
    reach 88, 83 and 77 %; no seed was certain there, for 1,024 at once are too many.

    Args:
        seeds: Seeds.
        units: Units there are.
        top: Length of the list, 1 .. seeds - 1.
        budget: Share of seeds x units that may be drawn, in (0, 1].
        error: See `Plan`.

    Raises:
        ValueError: If the budget gives a seed fewer than two units, or an argument is out of
            range.

    Example:
        >>> plan = plan_race(64, 40, top=16, budget=0.25)
        >>> [(look.contested, look.units) for look in plan.looks], plan.cost <= 0.25 * 64 * 40
        ([(64, 5), (32, 7), (16, 12), (8, 19)], True)
    """
    if not (0 < top < seeds and 0 < budget <= 1 and 0 < error < 1):
        raise ValueError(f"top {top} of {seeds}, budget {budget}, error {error}: out of range")
    whole, first = int(budget * seeds * units), int(FIRST * budget * units)
    first = max(first, LEAST_UNITS)
    if first * seeds > whole:
        raise ValueError(
            f"a budget of {budget:.0%} of {units} units gives a seed fewer than {LEAST_UNITS}; at "
            f"least {LEAST_UNITS / units:.0%} is needed"
        )
    panel = min(seeds, max(8, seeds // 64))
    looks, left = [Look(seeds, first)], whole - first * seeds
    for number in range(1, HALVINGS + 1):
        contested = max(2, seeds >> number)
        drawn = min(seeds, contested + panel)
        step = left // (HALVINGS + 1 - number) // drawn
        step = min(step, units - looks[-1].units)
        if step > 0:
            looks.append(Look(contested, looks[-1].units + step))
            left -= step * drawn
    return Plan(seeds, top, panel, error, tuple(looks))


@dataclass(frozen=True, eq=False)
class Raced:
    """What a race came to. All arrays have shape (S,); larger values are better.

    Attributes:
        plan: The race's plan.
        panel: Which seeds are the panel, shape (panel,).
        units: Units drawn.
        value: Mean deviation from the panel.
        low: Lower end that holds for all seeds and looks at once.
        high: Upper end.
        shrunken: The deviations drawn towards the population of seeds.
        certain: Whether the bounds put it among the best `top`.
        listed: The best `top` by shrunken value, best first; ties at the boundary listed whole.
        noise: Standard error of a seed's mean, by bundles, as if it were of one unit.
    """

    plan: Plan
    panel: Indices
    units: NDArray[np.intp]
    value: Floats
    low: Floats
    high: Floats
    shrunken: Shrunken
    certain: NDArray[np.bool_]
    listed: Indices
    noise: float

    @property
    def drawn(self) -> int:
        """Seeds times units drawn."""
        return int(self.units.sum())

    def probability(self, rng: np.random.Generator) -> Floats:
        """Posterior probability of belonging to the best `top`, of every seed.

        One less its mean over the listed seeds is the expected share of wrong ones. A posterior
        does not mind that what was drawn hung on what had been seen; it holds as far as effects
        and noise are normal, where the certain seeds' bound needs no law of the effects.
        """
        share = self.plan.top / self.plan.seeds
        return top_quarter_probability(self.shrunken.mean, self.shrunken.sd, rng, share=share)


def run_race(
    plan: Plan, observe: Observe, rng: np.random.Generator, bundles: Indices | None = None
) -> Raced:
    """Run a race.

    Args:
        plan: From `plan_race`.
        observe: Gives observations, larger is better; called once a look, with seeds and units
            that were not asked for before.
        rng: Chooses the panel.
        bundles: Which bundle each unit is of, shape (units,); each its own if None.

    Returns:
        The list. The same observations and random stream give the same one, so a race that was
        broken off is gone on with by running it again on what is drawn.

    Example:
        >>> effects = np.arange(32.0)[:, None]
        >>> noise = np.random.default_rng(0).normal(size=(32, 40))
        >>> plan = plan_race(32, 40, top=8, budget=0.5)
        >>> see = lambda seeds, units: (effects + noise)[seeds, units.start : units.stop]
        >>> raced = run_race(plan, see, np.random.default_rng(1))
        >>> sorted(raced.listed.tolist())
        [24, 25, 26, 27, 28, 29, 30, 31]
    """
    panel = np.sort(rng.permutation(plan.seeds)[: plan.panel])
    last = plan.looks[-1].units
    table = np.full((plan.seeds, last), np.nan)
    labels = np.arange(last) if bundles is None else bundles[:last]
    seen = _Seen.nothing(plan.seeds)
    before = 0
    for look in plan.looks:
        contested = seen.nearest(plan.top, look.contested)
        asked = np.union1d(contested, panel)
        table[asked, before : look.units] = observe(asked, range(before, look.units))
        before = look.units
        seen = seen.look(table - table[panel].mean(axis=0), contested, plan.level, labels)
    shrunken, low, high = seen.shrunken, seen.low, seen.high
    listed = top_with_ties(shrunken.mean, plan.top, direction="higher")
    certain = certainly_top(low, high, plan.top)
    return Raced(
        plan, panel, seen.count, seen.value, low, high, shrunken, certain, listed, seen.noise
    )


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is known after a look; arrays of shape (S,), but for `contested`."""

    contested: Indices
    count: NDArray[np.intp]
    value: Floats
    low: Floats
    high: Floats
    noise: float
    shrunken: Shrunken

    @classmethod
    def nothing(cls, seeds: int) -> "_Seen":
        zeros, far = np.zeros(seeds), np.full(seeds, np.inf)
        none = Shrunken(zeros, np.ones(seeds), 0.0, 0.0)
        return cls(np.arange(seeds), zeros.astype(np.intp), zeros, -far, far, 0.0, none)

    def nearest(self, top: int, count: int) -> Indices:
        """The contested seeds whose place is least settled, in order of their number."""
        ranked = np.sort(self.shrunken.mean)[::-1]
        boundary = (ranked[top - 1] + ranked[top]) / 2
        apart = np.abs(self.shrunken.mean - boundary) / np.maximum(self.shrunken.sd, TINY)
        order = np.argsort(apart[self.contested], kind="stable")
        return np.sort(self.contested[order[:count]])

    def look(
        self, deviations: Floats, contested: Indices, level: float, bundles: Indices
    ) -> "_Seen":
        """What is known with more units, NaN where a seed was not drawn."""
        count = np.isfinite(deviations).sum(axis=1)
        value = np.nanmean(deviations, axis=1)
        sums, counts = _bundle_sums(deviations, bundles)
        squares = _squared_errors(deviations, sums, counts)
        low, high = _bundle_interval(sums, counts, level)
        return _Seen(
            contested,
            count,
            value,
            np.maximum(self.low, low),
            np.minimum(self.high, high),
            float(np.sqrt((squares * count).mean())),
            shrink(value, np.maximum(np.sqrt(squares), TINY)),
        )


def _bundle_sums(deviations: Floats, bundles: Indices) -> tuple[Floats, NDArray[np.intp]]:
    """Sum and number of every seed's units in every bundle, both of shape (S, B)."""
    drawn = np.isfinite(deviations)
    inside = (bundles[:, None] == np.unique(bundles)).astype(np.intp)
    return np.where(drawn, deviations, 0.0) @ inside, drawn @ inside


def _squared_errors(deviations: Floats, sums: Floats, counts: NDArray[np.intp]) -> Floats:
    """Squared standard errors of the seeds' means over units, shape (S,), by bundles.

    Seeds with equally many units share one, since that of a single seed is noisy. Where a seed
    has units of one bundle alone, its units stand for bundles.
    """
    count, seen = counts.sum(axis=1), (counts > 0).sum(axis=1)
    apart = sums - np.nanmean(deviations, axis=1)[:, None] * counts
    by_bundles = (apart**2).sum(axis=1) * seen / np.maximum(seen - 1, 1) / count**2
    by_units = np.nanvar(deviations, axis=1, ddof=1) / count
    own = np.where(seen > 1, by_bundles, by_units)
    _, alike = np.unique(count, return_inverse=True)
    return np.asarray((np.bincount(alike, own) / np.bincount(alike))[alike])


def _bundle_interval(sums: Floats, counts: NDArray[np.intp], level: float) -> tuple[Floats, Floats]:
    """A t interval of every seed from the means of its bundles; endless with fewer than two."""
    seen = (counts > 0).sum(axis=1)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    centre = np.nanmean(means, axis=1)
    squares = np.nansum((means - centre[:, None]) ** 2, axis=1)
    freedom = np.maximum(seen - 1, 1)
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(squares / freedom / seen)
    half = np.where(seen > 1, half, np.inf)
    return centre - half, centre + half


def certainly_top(low: Floats, high: Floats, top: int) -> NDArray[np.bool_]:
    """Which seeds the bounds put among the best `top`: fewer than `top` others may lie above.

    Example:
        >>> certainly_top(np.array([5.0, 1.0, 0.0]), np.array([6.0, 4.0, 3.0]), 1)
        array([ True, False, False])
    """
    ends = np.sort(high)
    above = len(high) - np.searchsorted(ends, low, side="left")
    return np.asarray(above - (high >= low) < top)


def uniform_error(raced: Raced, rng: np.random.Generator, *, draws: int = 200) -> float:
    """Expected share of wrong seeds if the same images had been spread evenly over the seeds.

    Simulated with the spread of effects and the noise that the race found.

    Args:
        raced: The race.
        rng: Draws effects and noise.
        draws: Simulations.
    """
    plan = raced.plan
    effects = raced.shrunken.spread * rng.standard_normal((draws, plan.seeds))
    error = raced.noise / np.sqrt(raced.drawn / plan.seeds)
    seen = effects + error * rng.standard_normal(effects.shape)
    true, found = (np.argsort(-x, axis=1)[:, : plan.top] for x in (effects, seen))
    shared = [len(np.intersect1d(*pair)) for pair in zip(true, found, strict=True)]
    return 1 - float(np.mean(shared)) / plan.top
