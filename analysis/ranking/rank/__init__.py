"""Find the good and the bad seeds of a run, and write and read what was found."""

from analysis.ranking.rank.permuted import permuted_draws
from analysis.ranking.rank.rank import (
    MEAN_PERMUTATIONS,
    PERMUTATIONS,
    RULE,
    rank,
    rank_samples,
    ranking_identity,
)
from analysis.ranking.rank.saved import read_ranking, read_saved_ranking, save_ranking

__all__ = [
    "MEAN_PERMUTATIONS",
    "PERMUTATIONS",
    "RULE",
    "permuted_draws",
    "rank",
    "rank_samples",
    "ranking_identity",
    "read_ranking",
    "read_saved_ranking",
    "save_ranking",
]
