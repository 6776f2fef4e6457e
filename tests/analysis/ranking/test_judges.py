"""Judges of chosen seeds: the one that chose, and one that did not."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from analysis.metrics import METRICS, load_metric
from analysis.ranking.judges import judge_chosen, second_judge
from analysis.ranking.rank import rank
from analysis.statistics.wins import wins
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.storage.schema import Column
from tests.analysis.studies.planted_run import SCORE, SCORES, Score, Scores, Values, planted_run

LIKES = f"{__name__}:Likes"
LIKED = f"{__name__}:Liked"
SEEDS = 32


class Likes(Scores):
    """Another planted score, of a feature of its own."""

    name: ClassVar[str] = "likes"

    @property
    def columns(self) -> tuple[Column, ...]:
        return (Column("like", pa.float32(), "A planted score."),)


class Liked(Score):
    """The mean of that score."""

    name: ClassVar[str] = "liked"
    needs: ClassVar[tuple[str, ...]] = (f"{LIKES}.like",)
    judges_images: ClassVar[bool] = True


def run_with(path: Path, *, shared: float, taste: float, second: bool = True) -> Run:
    """Seeds with a quality that both judges see, and with one that only the first one likes."""

    def make(prompts: Sequence[Prompt], seeds: int) -> Values:
        rng = np.random.default_rng(3)
        shape = (seeds, len(prompts))
        quality, liked = (spread * rng.normal(size=(seeds, 1)) for spread in (shared, taste))
        score = quality + liked + rng.normal(size=shape)
        return {SCORES: {"score": score}, LIKES: {"like": quality + rng.normal(size=shape)}}

    features = [SCORES, LIKES] if second else [SCORES]
    recipe = {
        "features": features,
        "metrics": [SCORE, LIKED] if second else [SCORE],
        "ranking": {"metric": SCORE},
    }
    return planted_run(
        path,
        lambda p, s: {name: make(p, s)[name] for name in features},
        seeds=SEEDS,
        **recipe,
    )


def test_a_taste_of_the_judge_that_chose_is_no_gain_for_the_other(tmp_path: Path) -> None:
    """The negative control: by the judge that chose alone, both runs gain alike."""
    chose, other = rank(run_with(tmp_path / "taste", shared=0.0, taste=0.7)).win_rates
    assert (chose.metric, chose.chose, other.metric, other.chose) == ("score", True, "liked", False)
    assert chose.win_rate.low > 0.6
    assert other.win_rate.low < 0.5 < other.win_rate.high
    chose, other = rank(run_with(tmp_path / "quality", shared=0.7, taste=0.0)).win_rates
    assert min(chose.win_rate.low, other.win_rate.low) > 0.6


def test_the_words_name_who_chose_and_who_did_not(tmp_path: Path) -> None:
    ranking = rank(run_with(tmp_path, shared=0.7, taste=0.0))
    for word in ("8 chosen seeds", "by score, which chose them", "by liked, which did not choose"):
        assert word in ranking.judges_note
    assert "set 2, which had no part in choosing" in ranking.judges_note


def test_without_a_second_judge_the_words_say_which_feature_to_add(tmp_path: Path) -> None:
    ranking = rank(run_with(tmp_path, shared=0.7, taste=0.0, second=False))
    assert [rate.metric for rate in ranking.win_rates] == ["score"]
    assert "Only score, which chose the seeds, was asked." in ranking.judges_note
    assert "add clip_seedling or preference_seedling to `features`" in ranking.judges_note


def test_a_judge_that_shares_a_feature_with_the_chooser_is_not_asked(tmp_path: Path) -> None:
    run = run_with(tmp_path, shared=0.7, taste=0.0)
    score, liked = load_metric(SCORE), load_metric(LIKED)
    assert getattr(second_judge(run, [score]), "name", "") == "liked"
    assert second_judge(run, [liked]) is None  # `score` is no judge of images
    assert second_judge(run, [score, liked]) is None


def test_no_chosen_seed_is_no_gain(tmp_path: Path) -> None:
    run = run_with(tmp_path, shared=0.7, taste=0.0)
    assert judge_chosen(run, [load_metric(SCORE)], []).win_rates == ()
    words = judge_chosen(run, [load_metric(SCORE)], run.seeds).words
    assert "score could not judge: 32 of 32 seeds are chosen" in words


def test_the_shipped_judges_are_scores_with_a_better_end() -> None:
    judges = [load_metric(name) for name in METRICS if load_metric(name).judges_images]
    assert {metric.name for metric in judges} == {
        *("clip_score", "clip_seedling", "hps_v2_0", "hps_v2_1", "preference_seedling")
    }
    assert all(metric.per_image_mean and metric.higher_is_better for metric in judges)


@pytest.mark.parametrize("digits", [0, 3])
def test_wins_are_counted_pair_by_pair(digits: int) -> None:
    rng = np.random.default_rng(4)
    chosen, others = (np.round(rng.normal(size=(n, 6)), digits) for n in (3, 5))
    pairs = (chosen[:, None] > others).mean(axis=(0, 1))
    halves = (chosen[:, None] == others).mean(axis=(0, 1)) / 2
    np.testing.assert_allclose(wins(chosen, others), pairs + halves)
