"""Compare the arms: values, differences between arms, and gaps from the curve without a change."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval, t_interval
from analysis.statistics.embedding import holm
from analysis.statistics.exchange import exchanged
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.pareto import best_beyond, undominated
from analysis.statistics.spectra import crossed_errors
from analysis.studies.guidance.arms import NONE, PooledArms

LEVEL = 0.05

CHANGE_COLUMNS = {
    "arm": "run with the change",
    "against": "run without the change at the same guidance; null if there is none",
    "change": "the change",
    "guidance": "guidance scale; 1 or less is without guidance",
    "n": "images of each run",
    "quality_change": "quality with minus without the change, same cells; metric's unit",
    "quality_change_low": "lower end of its 95 % interval (jackknife of the difference)",
    "quality_change_high": "upper end",
    "quality_relative": "quality_change as a share of the quality without the change",
    "alignment_change": "alignment with minus without the change, same cells",
    "alignment_change_low": "lower end of its 95 % interval",
    "alignment_change_high": "upper end",
    "gap": "how much better its quality is than the best on the curve without the change with at "
    "least this alignment; below 0 it is worse",
    "gap_low": "lower end of its 95 % interval (jackknife of both curves)",
    "gap_high": "upper end",
    "p": "share of null draws with at least this gap, runs exchanged; null without a pair",
    "p_holm": "p adjusted for all guidance scales of this change",
    "inside": "better than the curve: gap_low above 0 and p_holm below 0.05",
}


@dataclass(frozen=True, eq=False)
class Measured:
    """Alignment and quality of all A arms, with standard errors.

    Attributes:
        pooled: The arms.
        values: Shape (A, 2), alignment and quality.
        errors: Shape (A, 2), their standard errors.
        differences: Shape (2, A, A, 2), differences between arms, and their standard errors.
        gaps: Shape (2, A), gaps from the curve without a change, and their standard errors.
    """

    pooled: PooledArms
    values: Floats
    errors: Floats
    differences: Floats
    gaps: Floats

    @classmethod
    def of(cls, pooled: PooledArms) -> "Measured":
        """Compute the values, and their errors by a jackknife over seeds and prompt groups."""
        count = len(pooled.arms)

        def numbers(values: Floats) -> Floats:
            differences = values[:, None] - values[None]
            return np.concatenate([values.ravel(), differences.ravel(), gaps(pooled, values)])

        values = pooled.values(*pooled.everything)
        errors = crossed_errors(
            lambda *kept: numbers(pooled.values(*kept)), range(pooled.seeds), pooled.groups
        )
        cuts = [2 * count, 2 * count + 2 * count * count]
        parts = [np.split(array, cuts) for array in (numbers(values), errors)]
        differences = np.stack([part[1].reshape(count, count, 2) for part in parts])
        gaps_of_arms = np.stack([part[2] for part in parts])
        return cls(pooled, values, parts[1][0].reshape(count, 2), differences, gaps_of_arms)

    def interval(self, value: float, error: float) -> Interval:
        """The interval of a value with its jackknife error."""
        method = "jackknife over seeds and over prompt groups"
        freedom, n = self.pooled.freedom, self.pooled.n
        return t_interval(float(value), float(error), freedom=freedom, n=n, method=method)

    def partner(self, index: int) -> int | None:
        """Index of the arm without a change at the same guidance."""
        wanted = (NONE, self.pooled.arms[index].guidance)
        arms = enumerate(self.pooled.arms)
        return next((i for i, arm in arms if (arm.change, arm.guidance) == wanted), None)

    def null(self, change: str, rng: np.random.Generator, draws: int) -> dict[int, Floats]:
        """Index of each arm with a change -> its gaps after exchanges with its partner."""
        changed = [i for i, arm in enumerate(self.pooled.arms) if arm.change == change]
        pairs = [(i, p) for i in changed if (p := self.partner(i)) is not None]
        swaps = exchanged(self.pooled.groups, rng, draws=draws if pairs else 0)
        null = [
            gaps(self.pooled, self.pooled.exchanged(self.values, pairs, swap)) for swap in swaps
        ]
        paired = {i for i, _ in pairs}
        return {i: np.array([g[i] for g in null]) if i in paired else np.empty(0) for i in changed}


def gaps(pooled: PooledArms, values: Floats) -> Floats:
    """How much better each arm's quality is than the best on the plain curve, shape (A,).

    Only the part of the curve with at least the arm's alignment counts; below 0 is worse.
    """
    better = pooled.better(values)
    curve = better[[i for i, arm in enumerate(pooled.arms) if arm.change == NONE]]
    return np.array([quality - best_beyond(curve, level) for level, quality in better])


def point_row(measured: Measured, index: int) -> dict[str, Any]:
    """The values of one arm, and whether another arm is better in both."""
    pooled, arm = measured.pooled, measured.pooled.arms[index]
    better = pooled.better(measured.values)
    row: dict[str, Any] = {
        "arm": arm.name,
        "change": arm.change,
        "guidance": arm.guidance,
        "n": pooled.n,
    }
    for m, name in ((1, "quality"), (0, "alignment")):
        value = measured.interval(measured.values[index, m], measured.errors[index, m])
        row |= _ends(name, value)
    half_width = measured.interval(0.0, 1.0).high  # of an interval, in standard errors
    differences, errors = measured.differences[:, :, index]
    clearly_better = pooled.better(differences) - half_width * errors > 0
    return row | {
        "undominated": bool(undominated(better)[index]),
        "clearly_dominated": bool(clearly_better.all(axis=1).any()),
    }


def change_row(measured: Measured, index: int, null: Floats) -> dict[str, Any]:
    """The effect of a change at one guidance, against the arm and the curve without it."""
    arm, partner = measured.pooled.arms[index], measured.partner(index)
    row: dict[str, Any] = dict.fromkeys(CHANGE_COLUMNS) | {
        "arm": arm.name,
        "change": arm.change,
        "guidance": arm.guidance,
        "n": measured.pooled.n,
    }
    for m, name in ((1, "quality"), (0, "alignment")):
        if partner is not None:
            change = measured.interval(*measured.differences[:, index, partner, m])
            row |= _ends(f"{name}_change", change)
    gap = measured.interval(*measured.gaps[:, index])
    row |= _ends("gap", gap)
    if partner is not None:
        row["against"] = measured.pooled.arms[partner].name
        row["quality_relative"] = row["quality_change"] / float(measured.values[partner, 1])
        # Rounding must not count as a difference: an exchange of all groups gives the gap itself.
        row["p"] = p_value(null, gap.value)
    return row


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def adjusted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adjust p of the rows of one change for all of its guidance scales, and judge them."""
    paired = [row for row in rows if row["p"] is not None]
    for row, p in zip(paired, holm(np.array([row["p"] for row in paired])), strict=True):
        row["p_holm"] = float(p)
    for row in rows:
        significant = row["p_holm"] is not None and row["p_holm"] < LEVEL
        row["inside"] = bool(significant and row["gap_low"] > 0)
    return rows
