"""Curves of guidance scales: every arm's two numbers, their differences, and gaps of curves."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval, t_interval
from analysis.statistics.embedding import holm
from analysis.statistics.exchange import exchanged
from analysis.statistics.pareto import best_beyond, undominated
from analysis.statistics.spectra import crossed_errors
from analysis.studies.guidance.arms import NONE, PooledArms

LEVEL = 0.05

CHANGE_COLUMNS = {
    "arm": "run with the change",
    "against": "run without it at the same guidance; null: there is none",
    "change": "the change",
    "guidance": "guidance scale; 1 or less: without guidance",
    "n": "images of either",
    "quality_change": "quality with the change less without, the same cells; metric's unit",
    "quality_change_low": "lower end of its 95 % interval (jackknife of the difference)",
    "quality_change_high": "upper end",
    "quality_relative": "that as a share of the quality without the change",
    "alignment_change": "alignment with the change less without, the same cells",
    "alignment_change_low": "lower end of its 95 % interval",
    "alignment_change_high": "upper end",
    "gap": "how much better its quality is than the best that the curve without the change "
    "reaches with at least this alignment; below 0: worse",
    "gap_low": "lower end of its 95 % interval (jackknife of both curves)",
    "gap_high": "upper end",
    "p": "share of draws with as large a gap where it is exchanged which is which; null: no pair",
    "p_holm": "p adjusted for all guidance scales of this change",
    "inside": "gap above 0, its interval and the adjusted p below 0.05: better than the curve",
}


@dataclass(frozen=True, eq=False)
class Measured:
    """Values of all arms (A, 2), alignment and quality, and standard errors.

    Attributes:
        errors: (A, 2), of the values.
        apart: (2, A, A, 2): differences of arms, and their errors.
        gaps: (2, A): gaps from the curve without a change, and their errors.
    """

    pooled: PooledArms
    values: Floats
    errors: Floats
    apart: Floats
    gaps: Floats

    @classmethod
    def of(cls, pooled: PooledArms) -> "Measured":
        """Measure everything, and again without each block of seeds and of prompt groups."""
        count = len(pooled.arms)

        def numbers(values: Floats) -> Floats:
            apart = values[:, None] - values[None]
            return np.concatenate([values.ravel(), apart.ravel(), gaps(pooled, values)])

        values = pooled.values(*pooled.everything)
        errors = crossed_errors(
            lambda *some: numbers(pooled.values(*some)), range(pooled.seeds), pooled.groups
        )
        cuts = [2 * count, 2 * count + 2 * count * count]
        parts = [np.split(each, cuts) for each in (numbers(values), errors)]
        apart = np.stack([part[1].reshape(count, count, 2) for part in parts])
        own = np.stack([part[2] for part in parts])
        return cls(pooled, values, parts[1][0].reshape(count, 2), apart, own)

    def interval(self, value: float, error: float) -> Interval:
        """With a jackknife over seeds and over prompt groups."""
        method = "jackknife over seeds and over prompt groups"
        freedom, n = self.pooled.freedom, self.pooled.n
        return t_interval(float(value), float(error), freedom=freedom, n=n, method=method)

    def partner(self, place: int) -> int | None:
        """The arm without a change at the same guidance."""
        arms = self.pooled.arms
        found = [i for i, a in enumerate(arms) if (a.change, a.guidance) == (NONE, self.at(place))]
        return found[0] if found else None

    def at(self, place: int) -> float:
        """The guidance of an arm."""
        return self.pooled.arms[place].guidance

    def null(self, change: str, rng: np.random.Generator, draws: int) -> dict[int, Floats]:
        """Places of the arms with a change -> gaps where it is exchanged which is which."""
        own = [i for i, arm in enumerate(self.pooled.arms) if arm.change == change]
        pairs = [(i, p) for i in own if (p := self.partner(i)) is not None]
        swaps = exchanged(self.pooled.groups, rng, draws=draws if pairs else 0)
        found = [
            gaps(self.pooled, self.pooled.exchanged(self.values, pairs, swap)) for swap in swaps
        ]
        paired = {i for i, _ in pairs}
        return {i: np.array([g[i] for g in found]) if i in paired else np.empty(0) for i in own}


def gaps(pooled: PooledArms, values: Floats) -> Floats:
    """Every arm's quality less the best of the plain curve at no less alignment, better above 0."""
    better = pooled.better(values)
    curve = better[[i for i, arm in enumerate(pooled.arms) if arm.change == NONE]]
    return np.array([quality - best_beyond(curve, level) for level, quality in better])


def point_row(measured: Measured, place: int) -> dict[str, Any]:
    """What one arm reaches, and whether another reaches more."""
    pooled, arm = measured.pooled, measured.pooled.arms[place]
    better = pooled.better(measured.values)
    row: dict[str, Any] = {
        "arm": arm.name,
        "change": arm.change,
        "guidance": arm.guidance,
        "n": pooled.n,
    }
    for at, name in ((1, "quality"), (0, "alignment")):
        found = measured.interval(measured.values[place, at], measured.errors[place, at])
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    unit = measured.interval(0.0, 1.0).high
    ahead = pooled.better(measured.apart[0][:, place]) - unit * measured.apart[1][:, place]
    return row | {
        "undominated": bool(undominated(better)[place]),
        "clearly_dominated": bool((ahead > 0).all(axis=1).any()),
    }


def change_row(measured: Measured, place: int, null: Floats) -> dict[str, Any]:
    """What a change does at one guidance: beside the arm without it, and beside the curve."""
    arm, partner = measured.pooled.arms[place], measured.partner(place)
    row: dict[str, Any] = dict.fromkeys(CHANGE_COLUMNS) | {
        "arm": arm.name,
        "change": arm.change,
        "guidance": arm.guidance,
        "n": measured.pooled.n,
    }
    for at, name in ((1, "quality"), (0, "alignment")):
        if partner is not None:
            found = measured.interval(*measured.apart[:, place, partner, at])
            row |= _ends(f"{name}_change", found)
    gap = measured.interval(*measured.gaps[:, place])
    row |= _ends("gap", gap)
    if partner is not None:
        row["against"] = measured.pooled.arms[partner].name
        row["quality_relative"] = row["quality_change"] / float(measured.values[partner, 1])
        # Equal up to the last bits is as large: a draw that exchanges all gives the curve itself.
        row["p"] = ((null >= gap.value - 1e-12).sum() + 1.0) / (len(null) + 1)
    return row


def _ends(name: str, found: Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def adjusted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one change with p adjusted for all of its guidance scales."""
    paired = [row for row in rows if row["p"] is not None]
    for row, p in zip(paired, holm(np.array([row["p"] for row in paired])), strict=True):
        row["p_holm"] = float(p)
    for row in rows:
        clear = row["p_holm"] is not None and row["p_holm"] < LEVEL
        row["inside"] = bool(clear and row["gap_low"] > 0)
    return rows
