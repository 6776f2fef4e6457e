"""A ranking to change in tests."""

from analysis.ranking.result import Gap, Ranking, SeedList
from analysis.statistics.intervals import Interval


def ranking() -> Ranking:
    """A ranking without seeds on its lists."""
    interval = Interval(0.5, 0.4, 0.6, 10, "planted")
    listed = SeedList(
        seeds=(), confirmed=False, chosen=4, top_set2=4, again=2, null_mean=1.0, null_sd=0.5,
        null_p=0.1, unrelated_mean=1.0, unrelated_sd=0.5, unrelated_p=0.1, chosen_mean_set2=0.5,
        verdict="planted",
    )  # fmt: skip
    return Ranking(
        rule="planted", run_id="", grid_hash="", metric="other", metric_id="", unit="",
        higher_is_better=True, method="planted", share=0.25, n_seeds=16, n_set1=10, n_set2=10,
        dropped=0, permutations=10, rank_correlation=interval, reliability=interval,
        reliability_half=None, prompts_needed=None, prompts_needed_note="", mean_set2=0.5,
        null_low=0.0, null_high=1.0, gap=Gap(1.0, 0.5, 0.8, 0.1), golden=listed, bad=listed,
        strict_golden=(), seeds=(),
    )  # fmt: skip
