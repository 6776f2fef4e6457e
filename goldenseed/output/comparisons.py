"""Print comparisons by eye: what a page can show, and what the votes say."""

import dataclasses
from typing import TYPE_CHECKING

from analysis.statistics.sign_test import pairs_needed, sign_test_power
from goldenseed.output import tables

if TYPE_CHECKING:
    from analysis.publish.compare.results import Results
    from analysis.publish.compare.write import Comparison
    from analysis.statistics.bounds import Interval

ADVANTAGES = (0.55, 0.6, 0.65, 0.7)
"""Shares of pairs that the better side wins, for which the power is said."""
SMALL_ADVANTAGE = 0.6


def print_comparison(made: "Comparison", *, as_json: bool) -> None:
    """Say where the page and its key are, and how much so many pairs can show."""
    power = {str(share): sign_test_power(made.pairs, share) for share in ADVANTAGES}
    needed = pairs_needed(SMALL_ADVANTAGE)
    if as_json:
        tables.print_json(dataclasses.asdict(made) | {"power": power, "pairs_needed": needed})
        return
    tables.line(
        f"{made.sides[0]} against {made.sides[1]}: {made.pairs} pairs of {made.prompts} prompts, "
        f"{tables.number_of_bytes(made.bytes)}"
    )
    seen = ", ".join(f"{share:z.0%} with power {power[str(share)]:z.2f}" for share in ADVANTAGES)
    tables.line(
        f"With {made.pairs} pairs and one rater, an advantage is seen (5 %, two-sided) if the "
        f"better side wins {seen}. Power 0.8 at {SMALL_ADVANTAGE:z.0%} takes {needed} pairs. More "
        f"raters help less than more pairs, and answers of no difference count half."
    )
    tables.line(f"for raters: {tables.short_path(made.page.parent)} (they open index.html)")
    tables.line(f"keep: {tables.short_path(made.key)} (it says which side each image is of)")


def print_votes(results: "Results", *, as_json: bool) -> None:
    """Print what votes say."""
    if as_json:
        tables.print_json(dataclasses.asdict(results))
        return
    first, second = results.sides
    rows = [
        {
            "question": found.question,
            f"{first} wins": _interval(found.win_rate),
            "these raters only": _interval(found.of_these_raters),
            "result": found.verdict,
        }
        for found in results.questions
    ]
    tables.print_rows(f"{first} against {second}, page {results.page}", rows)
    _print_voters(results)
    _print_metrics(results)


def _print_voters(results: "Results") -> None:
    rows = [
        {
            "question": found.question,
            "votes": found.votes,
            "pairs": f"{found.pairs} of {results.pairs}",
            "raters": found.raters,
            "no difference": f"{found.same:z.1%}",
            "left": "-" if found.left_rate is None else f"{found.left_rate:z.1%}",
            "alpha": "-" if found.alpha is None else f"{found.alpha:z.2f}",
        }
        for found in results.questions
    ]
    tables.print_rows("Votes and raters", rows)


def _print_metrics(results: "Results") -> None:
    agreements = [
        {
            "metric": f"{found.metric}{' (ranked the seeds)' if found.ranked else ''}",
            "question": found.question,
            "people agree": _interval(found.agreement),
            "votes": found.agreement.n,
        }
        for found in results.metrics
    ]
    if agreements:
        title = "Votes for the image that a metric calls better; 50 % is chance"
        tables.print_rows(title, agreements)
    if results.ranked_by and not any(found.ranked for found in results.metrics):
        tables.line(
            f"The seeds were ranked by {results.ranked_by}, which has no number of single images: "
            f"people agree with it as far as {results.sides[0]} wins."
        )


def _interval(found: "Interval") -> str:
    return f"{found.value:z.1%} [{found.low:z.1%}, {found.high:z.1%}]"
