"""Count votes: who wins, how sure that is, whether raters agree, and whether the metric does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.publish.compare.key import Key, KeyPair
from analysis.publish.compare.votes import CHOICES, QUESTIONS, Vote
from analysis.statistics.agreement import krippendorff_alpha
from analysis.statistics.bounds import Interval
from analysis.statistics.two_way import two_way_share_interval
from pipeline.errors import ConfigError


@dataclass(frozen=True)
class QuestionResult:
    """The votes on one question.

    Attributes:
        question: "quality" or "alignment".
        votes: Number of votes.
        pairs: Number of pairs with a vote.
        raters: Number of raters.
        same: Share of the votes that see no difference.
        win_rate: Share of the votes for the first side, those without a difference counting half;
            the interval generalises to other raters and other prompts.
        of_these_raters: The same share; the interval takes the raters as fixed.
        left_rate: Share of the votes with a difference that are for the left image: 0.5 for raters
            without a habit.
        alpha: Krippendorff's alpha of the raters; None where it cannot be computed.
        verdict: The result in words.
    """

    question: str
    votes: int
    pairs: int
    raters: int
    same: float
    win_rate: Interval
    of_these_raters: Interval
    left_rate: float | None
    alpha: float | None
    verdict: str


@dataclass(frozen=True)
class MetricAgreement:
    """Whether people and a metric prefer the same images.

    Attributes:
        metric: Name of the metric.
        ranked: Whether it ranked the seeds.
        question: The question that people answered.
        agreement: Share of the votes with a difference that are for the image with the better
            value; 0.5 by chance.
    """

    metric: str
    ranked: bool
    question: str
    agreement: Interval


@dataclass(frozen=True)
class Results:
    """What the votes on a page say.

    Attributes:
        page: Id of the page.
        sides: Names of the sides; rates are those of the first.
        pairs: Number of pairs of the page.
        ranked_by: The metric that ranked the seeds, or "".
        questions: One for each question with votes.
        metrics: One for each metric that knows the images, and each question.
        raters: Name of each rater and number of votes.
    """

    page: str
    sides: tuple[str, str]
    pairs: int
    ranked_by: str
    questions: tuple[QuestionResult, ...]
    metrics: tuple[MetricAgreement, ...]
    raters: tuple[tuple[str, int], ...]


def count_votes(key: Key, votes: Sequence[Vote]) -> Results:
    """Count votes.

    Args:
        key: The key of their page.
        votes: At least two votes on each question that has any, on prompts of two groups or by two
            raters.

    Raises:
        ConfigError: If there are too few votes for an interval.
    """
    asked = [[vote for vote in votes if vote.question == question] for question in QUESTIONS]
    questions = tuple(_question(key, part) for part in asked if part)
    metrics = tuple(
        agreement
        for metric in key.higher
        for part in asked
        if (agreement := _metric(key, metric, part)) is not None
    )
    names = dict.fromkeys(vote.rater for vote in votes)
    raters = tuple((name, sum(vote.rater == name for vote in votes)) for name in names)
    return Results(key.page, key.sides, len(key.pairs), key.ranked_by, questions, metrics, raters)


def _question(key: Key, votes: Sequence[Vote]) -> QuestionResult:
    values = [_value(key, vote) for vote in votes]
    groups = [key.pairs[vote.pair].group for vote in votes]
    raters = [vote.rater for vote in votes]
    win_rate = _interval(values, raters, groups)
    of_these = _interval(values, ["all"] * len(votes), groups, otherwise=win_rate)
    lefts = [vote.choice == "left" for vote in votes if vote.choice != "same"]
    return QuestionResult(
        question=votes[0].question,
        votes=len(votes),
        pairs=len({vote.pair for vote in votes}),
        raters=len(set(raters)),
        same=sum(vote.choice == "same" for vote in votes) / len(votes),
        win_rate=win_rate,
        of_these_raters=of_these,
        left_rate=sum(lefts) / len(lefts) if lefts else None,
        alpha=krippendorff_alpha(_ratings(key, votes)),
        verdict=_verdict(key, win_rate, of_these),
    )


def _interval(
    values: Sequence[float],
    raters: Sequence[str],
    groups: Sequence[str],
    *,
    otherwise: Interval | None = None,
) -> Interval:
    try:
        interval = two_way_share_interval(values, raters, groups)
    except ValueError as error:
        if otherwise is not None:
            return otherwise
        raise ConfigError(
            f"{len(values)} votes of one rater on prompts of one group: an interval needs two "
            f"raters, or prompts of two groups"
        ) from error
    method = interval.method.replace("1 rows and ", "").replace("rows", "raters")
    method = method.replace(" and 1 columns", "").replace("columns", "prompt groups")
    return Interval(interval.value, interval.low, interval.high, interval.n, method)


def _value(key: Key, vote: Vote) -> float:
    """1 for the first side, 0 for the second, 1/2 for no difference."""
    if vote.choice == "same":
        return 0.5
    return float((vote.choice == "left") == (key.pairs[vote.pair].left == 0))


def _ratings(key: Key, votes: Sequence[Vote]) -> np.ndarray:
    """Shape (raters, pairs): which side, or neither; -1 without a vote."""
    names = list(dict.fromkeys(vote.rater for vote in votes))
    table = np.full((len(names), len(key.pairs)), -1)
    for vote in votes:
        table[names.index(vote.rater), vote.pair] = round(2 * _value(key, vote))
    return table


def _verdict(key: Key, rate: Interval, of_these_raters: Interval) -> str:
    for interval, words in ((rate, ""), (of_these_raters, " by these raters")):
        if interval.low > 0.5 or interval.high < 0.5:
            return f"{key.sides[interval.high < 0.5]} is preferred{words}"
    return "no difference is shown"


def _metric(key: Key, metric: str, votes: Sequence[Vote]) -> MetricAgreement | None:
    """Compare votes with a metric; None if it tells fewer than two votes apart."""
    told = [vote for vote in votes if vote.choice in CHOICES[:2] and _side(key, metric, vote) >= 0]
    same = [float(_value(key, vote) == (_side(key, metric, vote) == 0)) for vote in told]
    groups = [key.pairs[vote.pair].group for vote in told]
    raters = [vote.rater for vote in told]
    if len(set(groups)) < 2 and len(set(raters)) < 2:
        return None
    agreement = _interval(same, raters, groups)
    return MetricAgreement(metric, metric == key.ranked_by, told[0].question, agreement)


def _side(key: Key, metric: str, vote: Vote) -> int:
    """The side whose image has the better value: 0 or 1; -1 if the metric does not tell."""
    pair: KeyPair = key.pairs[vote.pair]
    first, second = pair.scores.get(metric, (0.0, 0.0))
    if first == second:
        return -1
    return int((second > first) == key.higher[metric])
