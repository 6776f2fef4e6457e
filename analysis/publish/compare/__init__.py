"""Compare two sides by eye: a blind page for raters, and what their votes say."""

from analysis.publish.compare.results import QuestionResult, Results, count_votes
from analysis.publish.compare.sides import Side, choose_pairs, sides_of_lists, sides_of_runs
from analysis.publish.compare.write import write_comparison

__all__ = [
    "QuestionResult",
    "Results",
    "Side",
    "choose_pairs",
    "count_votes",
    "sides_of_lists",
    "sides_of_runs",
    "write_comparison",
]
