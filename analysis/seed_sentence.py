"""Say in one sentence how much of a run's images the seed decides, with its interval and null.

The rule: the p-values of all measures that have one are adjusted by Holm for their number. Where
one is at most `LEVEL` and the interval of the share lies above 0, the seed decides something, and
the sentence names the measure of these whose variance belongs most to the seed. Otherwise no effect
is shown, and it names the largest share of all and the largest upper bound: what the seed may
decide at most.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.statistics.embedding import holm
from analysis.statistics.monte_carlo import p_words

LEVEL = 0.05
"""Largest adjusted p-value that shows an effect."""

Row = Mapping[str, Any]


def seed_sentence(rows: Sequence[Row]) -> str:
    """Apply the rule.

    Args:
        rows: The rows of `analysis.seed_shares.share_table`: `measure`; `seed`, the seed's share,
            with `seed_low` and `seed_high`; `seed_null_high`, `seed_p` and `draws`; each may be
            None.

    Example:
        >>> row = {"measure": "brightness", "seed": 0.16, "seed_low": 0.09, "seed_high": 0.23}
        >>> row |= {"seed_null_high": 0.012, "seed_p": 1 / 2001, "draws": 2000}
        >>> seed_sentence([row]).partition(";")[0]
        'The seed decides 16.0% [9.0%, 23.0%] of the variance of brightness'
        >>> seed_sentence([])
        'How much the seed decides cannot be said: no measure of this run has a share with a null.'
    """
    tested = [row for row in rows if row["seed"] is not None and row["seed_p"] is not None]
    if not tested:
        return (
            "How much the seed decides cannot be said: no measure of this run has a share with a "
            "null."
        )
    adjusted = holm(np.array([row["seed_p"] for row in tested], dtype=np.float64)).tolist()
    pairs = zip(tested, adjusted, strict=True)
    shown = [row for row, p in pairs if p <= LEVEL and _above_zero(row)]
    largest = max(shown or tested, key=lambda row: float(row["seed"]))
    return _decides(largest, len(tested)) if shown else _nothing_shown(largest, tested, adjusted)


def _above_zero(row: Row) -> bool:
    """Whether the interval of a share lies above 0; a share without an interval has its p alone."""
    return row["seed_low"] is None or float(row["seed_low"]) > 0


def _decides(row: Row, count: int) -> str:
    among = f", the most of {count} measures" if count > 1 else ""
    return f"The seed decides {_share(row)}{among}; {_null(row)}."


def _nothing_shown(row: Row, tested: Sequence[Row], adjusted: Sequence[float]) -> str:
    highs = [row["seed_high"] for row in tested if row["seed_high"] is not None]
    most = f"; by the intervals it decides at most {max(highs):.1%} of any measure" if highs else ""
    among = f"; the smallest of {len(tested)} p-values, adjusted by Holm, is {min(adjusted):.2g}"
    return (
        f"It is not shown that the seed decides anything: its largest share is {_share(row)}, and "
        f"{_null(row)}{among if len(tested) > 1 else ''}{most}."
    )


def _share(row: Row) -> str:
    bounded = row["seed_low"] is not None
    bounds = f"[{row['seed_low']:z.1%}, {row['seed_high']:z.1%}]" if bounded else "(no interval)"
    return f"{row['seed']:z.1%} {bounds} of the variance of {row['measure']}"


def _null(row: Row) -> str:
    p = p_words(row["seed_p"], row["draws"])
    return f"if seeds had no effect, it would be below {row['seed_null_high']:z.1%} ({p})"
