"""Variance shares of seed, prompt and their interaction."""

from analysis.statistics.variance.balanced import mean_squares
from analysis.statistics.variance.shares import (
    VarianceShares,
    seed_share,
    seed_share_null,
    variance_shares,
)

__all__ = ["VarianceShares", "mean_squares", "seed_share", "seed_share_null", "variance_shares"]
