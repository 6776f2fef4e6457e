"""How repeatable a ranking of seeds is, and which seeds may be called golden."""

from analysis.statistics.reliability.correlation import (
    fisher_bounds,
    midranks,
    pearson,
    rank_correlation,
)
from analysis.statistics.reliability.halves import Reliability, split_half
from analysis.statistics.reliability.top import (
    golden_by_expected_error,
    top_quarter_probability,
    top_with_ties,
)

__all__ = [
    "Reliability",
    "fisher_bounds",
    "golden_by_expected_error",
    "midranks",
    "pearson",
    "rank_correlation",
    "split_half",
    "top_quarter_probability",
    "top_with_ties",
]
