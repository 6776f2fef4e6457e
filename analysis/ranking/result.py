"""Define the result of a ranking: the tables that are printed, saved and published."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from analysis.ranking.ties import most_with_ties
from analysis.statistics.floors import NoiseFloor
from analysis.statistics.intervals import Interval
from pipeline.errors import counted

STRICT_RULE = (
    "posterior probability of the true top share, from set-2 values shrunken to the population "
    "of seeds; expected share of wrong seeds at most 10 %; not calibrated below about 250 seeds"
)
"""The stricter rule, reported in addition to the list."""


LEAST_SEEDS = 8
"""A ranking of fewer seeds is refused."""


def too_few_seeds(count: int) -> str:
    """Say that so few seeds cannot be ranked, and what to do.

    Args:
        count: Number of seeds.

    Returns:
        The sentence; empty if there are enough seeds.

    Example:
        >>> too_few_seeds(4)
        '4 seeds cannot be ranked: draw at least 8, or leave `ranking` out of the recipe'
        >>> too_few_seeds(8)
        ''
    """
    if count >= LEAST_SEEDS:
        return ""
    return (
        f"{counted(count, 'seed')} cannot be ranked: draw at least {LEAST_SEEDS}, or "
        f"leave `ranking` out of the recipe"
    )


def nothing_ranked(recipe: str) -> str:
    """Say that a recipe ranks nothing, and how to ask for a ranking.

    Args:
        recipe: Its name.

    Example:
        >>> nothing_ranked("mine")
        'recipe mine ranks nothing; to rank its seeds, add `ranking: {metric: NAME}`'
    """
    return f"recipe {recipe} ranks nothing; to rank its seeds, add `ranking: {{metric: NAME}}`"


@dataclass(frozen=True)
class RankedSeed:
    """A seed with its values and ranks.

    Attributes:
        seed: The seed.
        rank_set1: Rank on set 1; 1 is best, ties share the mean of their ranks.
        rank_set2: Rank on set 2.
        value: The metric on set 2.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Number of images of the seed in set 2.
        p_better: Share of the null's values, pooled over seeds, that are at least as good.
        p_worse: Share of the null's values that are at least as bad.
        at_infinity: `value` extrapolated to infinitely many images; None for a metric that is
            not extrapolated.
        expected: `value` shrunken towards the mean of all seeds: what to expect on other prompts.
            None in a ranking that was saved before version 2 of the rule.
    """

    seed: int
    rank_set1: float
    rank_set2: float
    value: float
    low: float
    high: float
    n: int
    p_better: float
    p_worse: float
    at_infinity: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class SeedList:
    """One end of the ranking.

    Attributes:
        seeds: The listed seeds, best (or worst) on set 2 first; empty if not confirmed.
        confirmed: Whether set 2 confirms set 1, and nothing speaks against the list.
        chosen: Number of seeds in the top share on set 1, including all ties at the boundary.
        top_set2: Number of seeds in the top share on set 2.
        again: Number of seeds in both.
        null_mean: Mean of `again` under permuted owners.
        null_sd: Standard deviation of `again` under permuted owners.
        null_p: (b + 1) / (B + 1), where b of B permuted draws have at least as many seeds.
        unrelated_mean: Mean of `again` for two unrelated rankings (hypergeometric).
        unrelated_sd: Standard deviation of `again` for two unrelated rankings.
        unrelated_p: Probability that two unrelated rankings have at least as many seeds.
        chosen_mean_set2: Set-2 mean of all seeds chosen on set 1: an unbiased estimate of the
            gain, because set 2 did not choose.
        verdict: The result in words.
        withheld: Why no list may stand, even if set 2 agrees; empty if there is no such reason.
    """

    seeds: tuple[int, ...]
    confirmed: bool
    chosen: int
    top_set2: int
    again: int
    null_mean: float
    null_sd: float
    null_p: float
    unrelated_mean: float
    unrelated_sd: float
    unrelated_p: float
    chosen_mean_set2: float
    verdict: str
    withheld: str = ""


@dataclass(frozen=True)
class WinRate:
    """How often images of chosen seeds are better than those of the other seeds.

    Attributes:
        metric: Name of the judge.
        chose: Whether this judge took part in choosing the seeds.
        win_rate: Share of (prompt, chosen seed, other seed) in which the chosen seed's image has
            the better score, ties counting half; interval over prompt groups, seeds fixed.
    """

    metric: str
    chose: bool
    win_rate: Interval


@dataclass(frozen=True)
class Gap:
    """Best minus worst seed of set 2, compared with the gap under permuted owners.

    Attributes:
        value: The gap.
        null_mean: Mean gap under permuted owners.
        null_high: 95th percentile of the gap under permuted owners.
        p: (b + 1) / (B + 1), where b of B permuted draws have a gap at least as large.
    """

    value: float
    null_mean: float
    null_high: float
    p: float


@dataclass(frozen=True)
class Ranking:
    """A ranking of a run's seeds by one metric.

    Attributes:
        rule: Name and version of the rule.
        run_id: Identity of the run.
        grid_hash: Hash of its grid.
        metric: Name of the metric.
        metric_id: Identity of the metric.
        unit: Unit of the values.
        higher_is_better: Direction.
        method: How values and intervals were made.
        share: Share of the seeds that a list may hold.
        n_seeds: Number of seeds ranked.
        n_set1: Number of prompts of set 1, each with one image per seed.
        n_set2: Number of prompts of set 2.
        dropped: Number of prompts of both sets dropped because of failed cells.
        permutations: Number of permuted draws.
        rank_correlation: Spearman correlation of set 1 with set 2.
        reliability: How far a ranking repeats on as many other prompts, with `reliability.n`
            images per seed; its `method` says how it was estimated.
        reliability_half: For a distance, the reliability with half as many images; None for a
            mean of one number per image, whose reliability grows by a known formula.
        prompts_needed: Prompts per set for a reliability of 0.5; None if that is reached or
            cannot be estimated.
        prompts_needed_note: The number in words, or why there is none.
        mean_set2: Mean over all seeds on set 2.
        null_low: 2.5th percentile of the values of single seeds under permuted owners, set 2.
        null_high: 97.5th percentile.
        gap: Gap between the best and the worst seed.
        golden: The good end of the ranking.
        bad: The bad end of the ranking.
        strict_golden: The golden seeds by `STRICT_RULE`, the most probable first.
        seeds: All seeds, best on set 2 first.
        floor: Noise floor of a metric with a reference, at the n of set 2; None for other
            metrics, or if the reference has too few images.
        floor_note: The floor in words, or why there is none; empty for a metric without a floor.
        at_infinity_n: Images per seed at the points of the line in 1/n behind `at_infinity`;
            empty if the metric is not extrapolated.
        at_infinity_note: The extrapolation in words, or why it is impossible; empty for a
            metric that is not extrapolated.
        warnings: Prompt groups that were cut because they weigh too much, and groups without which
            a list would not be confirmed.
        belief: Which to believe if reliability, rank correlation and lists disagree; empty if they
            agree.
        win_rates: How often images of the seeds that set 1 chose win on set 2, by each judge.
        judges_note: The win rates in words, with who chose and who did not.
        reliability_across_groups: Whether `reliability` compares halves without a common prompt
            group.
    """

    rule: str
    run_id: str
    grid_hash: str
    metric: str
    metric_id: str
    unit: str
    higher_is_better: bool
    method: str
    share: float
    n_seeds: int
    n_set1: int
    n_set2: int
    dropped: int
    permutations: int
    rank_correlation: Interval
    reliability: Interval
    reliability_half: Interval | None
    prompts_needed: int | None
    prompts_needed_note: str
    mean_set2: float
    null_low: float
    null_high: float
    gap: Gap
    golden: SeedList
    bad: SeedList
    strict_golden: tuple[int, ...]
    seeds: tuple[RankedSeed, ...]
    floor: NoiseFloor | None = None
    floor_note: str = ""
    at_infinity_n: tuple[int, ...] = ()
    at_infinity_note: str = ""
    warnings: tuple[str, ...] = ()
    belief: str = ""
    win_rates: tuple[WinRate, ...] = ()
    judges_note: str = ""
    reliability_across_groups: bool = True

    @property
    def chosen_on_set1(self) -> tuple[int, ...]:
        """The seeds in the top share of set 1, with ties, whether or not set 2 confirms them.

        None, if they cannot be ranked because of too many ties.
        """
        if self.golden.chosen > most_with_ties(max(1, round(self.share * self.n_seeds))):
            return ()
        best = sorted(self.seeds, key=lambda seed: (seed.rank_set1, seed.seed))
        return tuple(seed.seed for seed in best[: self.golden.chosen])

    @property
    def verdict(self) -> str:
        """Result of both ends in words."""
        return f"Golden seeds: {self.golden.verdict} Bad seeds: {self.bad.verdict}"

    def to_json(self) -> bytes:
        """Write the ranking as JSON, which `from_json` reads."""
        return TypeAdapter(Ranking).dump_json(self, indent=1) + b"\n"

    @staticmethod
    def from_json(text: bytes) -> "Ranking":
        """Read what `to_json` wrote.

        Raises:
            pydantic.ValidationError: If the text is anything else.
        """
        return TypeAdapter(Ranking).validate_json(text)
