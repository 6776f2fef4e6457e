"""What a ranking of seeds says: the tables that are printed, saved and published."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from analysis.statistics.floors import NoiseFloor
from analysis.statistics.intervals import Interval

STRICT_RULE = (
    "posterior probability of the true top share, from set-2 values shrunken to the population "
    "of seeds; expected share of wrong seeds at most 10 %; not calibrated below about 250 seeds"
)
"""The stricter rule, reported beside the list and not in its place."""


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
    """One seed.

    Attributes:
        seed: The seed.
        rank_set1: Rank on set 1, 1 is best, ties share the mean of their ranks.
        rank_set2: Rank on set 2.
        value: The metric on set 2.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Images behind it.
        p_better: Share of the null's values, pooled over seeds, at least as good.
        p_worse: Share of the null's values at least as bad.
        at_infinity: For a Frechet distance, `value` extrapolated to infinitely many images; None
            where it cannot be.
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


@dataclass(frozen=True)
class SeedList:
    """One end of the ranking.

    Attributes:
        seeds: The listed seeds, best (or worst) on set 2 first; empty if not confirmed.
        confirmed: Whether set 2 confirms set 1.
        chosen: Seeds in the top share on set 1, ties listed whole.
        top_set2: Seeds in the top share on set 2.
        again: How many are in both.
        null_mean: `again` under permuted owners, mean.
        null_sd: Its standard deviation.
        null_p: (b + 1) / (B + 1), b the permuted draws with at least as many.
        unrelated_mean: `again` for two unrelated rankings (hypergeometric), mean.
        unrelated_sd: Its standard deviation.
        unrelated_p: Probability of at least as many.
        chosen_mean_set2: Set-2 mean of all seeds chosen on set 1: what choosing gained,
            unbiased, for set 2 had no part in it.
        verdict: The result in words.
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


@dataclass(frozen=True)
class Gap:
    """Best less worst seed of set 2, beside what it is where no seed differs.

    Attributes:
        value: The gap.
        null_mean: Its mean under permuted owners.
        null_high: Its 95th percentile there.
        p: (b + 1) / (B + 1).
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
        run_id: The run.
        grid_hash: Its grid.
        metric: The metric's name.
        metric_id: Its identity.
        unit: Unit of the values.
        higher_is_better: Direction.
        method: How values and intervals were made.
        share: Share of the seeds that a list may hold.
        n_seeds: Seeds ranked.
        n_set1: Prompts of set 1, one image of each per seed.
        n_set2: Prompts of set 2.
        dropped: Prompts that failed cells cost, both sets.
        permutations: Permuted draws.
        rank_correlation: Spearman's, set 1 with set 2.
        reliability: How far a ranking repeats on as many other prompts, `reliability.n` images
            per seed; its method says how that was found.
        reliability_half: For a distance, the same measured with half as many images; None
            for a per-image mean, whose growth is known.
        prompts_needed: Prompts per set for a reliability of 0.5; None where it is reached or
            cannot be estimated.
        prompts_needed_note: The number in words, or why there is none.
        mean_set2: Mean over all seeds on set 2.
        null_low: 2.5th percentile of single seeds' values under permuted owners, set 2.
        null_high: 97.5th percentile.
        gap: Best less worst.
        golden: The good end.
        bad: The bad end.
        strict_golden: The golden seeds by `STRICT_RULE`, the most probable first.
        seeds: All seeds, best on set 2 first.
        floor: For a distance, the reference's from itself at the n of set 2; None where it has
            too few images.
        floor_note: The floor in words, or why there is none; empty where nothing is compared
            with a reference.
        at_infinity_n: Images per seed at the points of the line in 1/n behind `at_infinity`;
            empty where there is none.
        at_infinity_note: The extrapolation in words, or why there is none; empty where nothing
            is biased by 1/n.
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

    @property
    def verdict(self) -> str:
        """Both results in words."""
        return f"Golden seeds: {self.golden.verdict} Bad seeds: {self.bad.verdict}"

    def to_json(self) -> bytes:
        """The ranking as a file; `from_json` gives it back."""
        return TypeAdapter(Ranking).dump_json(self, indent=1) + b"\n"

    @staticmethod
    def from_json(text: bytes) -> "Ranking":
        """Read what `to_json` wrote; pydantic's ValidationError if it is something else."""
        return TypeAdapter(Ranking).validate_json(text)
