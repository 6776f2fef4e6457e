"""Estimate variance shares from pairs of cells, for grouped prompts or missing cells."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.bounds import Interval
from analysis.statistics.leave_out import sums_by_group
from analysis.statistics.owners import permuted_totals


def seed_share(y: Floats, codes: Indices) -> float:
    """Estimate the seed's share of a grid of shape (S, P) whose prompts have group codes."""
    cells, each = _sums(y, codes)
    return _Sums(cells, each.sum(axis=1)).share_of(cells.sum(axis=2))


def seed_share_null(y: Floats, codes: Indices, rng: np.random.Generator, draws: int) -> Floats:
    """Draw the seed's share under permuted owners, shape (draws,).

    Permuting the owners of whole groups changes the totals of the seeds and nothing else. Without
    missing cells, only the sums among these totals change.
    """
    cells, each = _sums(y, codes)
    sums = _Sums(cells, each.sum(axis=1))
    complete = bool(each[0].all())
    totals = cells.sum(axis=2)
    shares = np.empty(draws)
    for i, drawn in enumerate(permuted_totals(cells[1:2] if complete else cells, rng, draws=draws)):
        of_seeds = np.stack([totals[0], drawn[0], totals[2]]) if complete else drawn
        shares[i] = sums.share_of(of_seeds)
    return shares


def jackknife_shares(y: Floats, codes: Indices, level: float) -> list[Interval]:
    """Estimate the shares of seed, prompt and rest, with a two-way jackknife."""
    cells, each = _sums(y, codes)
    s, g = cells.shape[1:]
    if g < 3:
        raise ValueError(f"prompts fall into {g} groups; at least 3 are needed")
    prompts, n = each.sum(axis=1), int(cells[0].sum())
    with np.errstate(divide="ignore", invalid="ignore"):  # without pairs: refused below
        value = _Sums(cells, prompts).shares()
        no_seed = [
            _Sums(np.delete(cells, i, axis=1), prompts - each[:, i]).shares() for i in range(s)
        ]
        no_group = [
            _Sums(np.delete(cells, j, axis=2), prompts[:, codes != j]).shares() for j in range(g)
        ]
        error = np.sqrt(_spread(np.array(no_seed)) + _spread(np.array(no_group)))
    if not np.isfinite([value, error]).all():
        raise ValueError(
            f"{n} of {y.size} cells have a value; without a seed or group too few pairs are left"
        )
    half = stats.t.ppf((1 + level) / 2, min(s, g) - 1) * error
    method = f"two-way jackknife over {s} seeds and {g} groups, {100 * level:g} %"
    return [
        Interval(float(v), float(v - h), float(v + h), n, method)
        for v, h in zip(value, half, strict=True)
    ]


def without_bounds(y: Floats, codes: Indices, reason: str) -> list[Interval]:
    """Estimate the shares of seed, prompt and rest, with the reason why there is no interval."""
    cells, each = _sums(y, codes)
    with np.errstate(divide="ignore", invalid="ignore"):  # one group has no pairs: refused below
        value = _Sums(cells, each.sum(axis=1)).shares()
    if not np.isfinite(value).all():
        raise ValueError(f"prompts fall into {cells.shape[2]} groups; at least 3 are needed")
    n = int(cells[0].sum())
    return [Interval(float(v), np.nan, np.nan, n, reason) for v in value]


def _spread(without: Floats) -> Floats:
    """Compute the jackknife variance of each column."""
    count = len(without)
    return np.asarray((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0))


@dataclass(frozen=True)
class _Sums:
    """Counts, sums and sums of squares of the cells.

    Attributes:
        cells: By seed and prompt group, shape (3, S, G).
        prompts: By prompt, shape (3, P).
    """

    cells: Floats
    prompts: Floats

    def shares(self) -> Floats:
        """Estimate the shares (seed, prompt, rest) from mean squared differences of pairs."""
        same_prompt = _pairs(self.prompts) - np.array([self.cells[0].sum(), 0.0])
        total, of_seed = self._parts(self.cells.sum(axis=2))
        of_prompt = total - same_prompt[1] / same_prompt[0]
        return np.asarray(np.array([of_seed, of_prompt, total - of_seed - of_prompt]) / total)

    def share_of(self, seeds: Floats) -> float:
        """Estimate the seed's share, given count, sum and sum of squares by seed, shape (3, S)."""
        total, of_seed = self._parts(seeds)
        return float(of_seed / total)

    def _parts(self, seeds: Floats) -> tuple[np.float64, np.float64]:
        """Compute the total variance, and the seed's part of it."""
        every, group, both = self._fixed
        of_seeds = _pairs(seeds)
        unrelated, same_seed = every - of_seeds - group + both, of_seeds - both
        total = unrelated[1] / unrelated[0]
        return total, total - same_seed[1] / same_seed[0]

    @cached_property
    def _fixed(self) -> tuple[Floats, Floats, Floats]:
        """The pairs of all cells, of each group, and of each seed in each group."""
        every = _pairs(self.cells.sum(axis=(1, 2), keepdims=True))
        return every, _pairs(self.cells.sum(axis=1)), _pairs(self.cells)


def _pairs(sums: Floats) -> Floats:
    """Count the ordered pairs within blocks, and sum half their squared differences.

    Args:
        sums: Shape (3, ...): count, sum and sum of squares of each block.
    """
    count, total, squares = sums
    return np.array([(count**2).sum(), (count * squares - total**2).sum()])


def _sums(y: Floats, codes: Indices) -> tuple[Floats, Floats]:
    """Compute count, sum and sum of squares by seed and group (3, S, G) and by cell (3, S, P)."""
    known = ~np.isnan(y)
    filled = np.where(known, y, 0.0)
    each = np.stack([known.astype(np.float64), filled, filled**2])
    return sums_by_group(each, codes), each
