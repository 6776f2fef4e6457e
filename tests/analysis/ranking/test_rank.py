import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from analysis.cells.cells import Sample
from analysis.metrics.base import MeanMetric, Metric
from analysis.metrics.frechet import FrechetPerceptual
from analysis.metrics.kid import KidPerceptual
from analysis.per_seed import measure
from analysis.ranking.rank import (
    MEAN_PERMUTATIONS,
    PERMUTATIONS,
    rank,
    rank_samples,
    read_ranking,
    save_ranking,
)
from analysis.ranking.result import Ranking
from analysis.statistics.arrays import Floats
from analysis.statistics.owners import permute_owners
from pipeline.errors import ConfigError, RunError
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, COLOUR_KID

IDENTITY = ("0123456789abcdef", "fedcba9876543210", "00112233445566ff")
PROMPTS = 36
PLANTED = 5


class Score(MeanMetric):
    name: ClassVar[str] = "score"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "points"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("appearance.brightness",)


class Kid(KidPerceptual):
    needs: ClassVar[tuple[str, ...]] = ("appearance.embedding",)
    reference: ClassVar[Floats] = np.random.default_rng(0).normal(size=(200, 6))


class Frechet(FrechetPerceptual):
    needs: ClassVar[tuple[str, ...]] = Kid.needs
    reference: ClassVar[Floats] = Kid.reference


def sample(need: str, values: Floats) -> Sample:
    prompts = tuple(synthetic.prompts(values.shape[1]))
    return Sample(tuple(range(100, 100 + len(values))), prompts, {need: values})


def scores(seeds: int, effect: float, *, rng: np.random.Generator) -> list[Sample]:
    """Two sets of noise in which the first five seeds are better, the last five worse."""
    seed_effect = np.zeros((seeds, 1))
    seed_effect[:PLANTED], seed_effect[-PLANTED:] = effect, -effect
    return [
        sample(
            Score.needs[0],
            seed_effect + rng.normal(size=(seeds, PROMPTS)) + rng.normal(size=(1, PROMPTS)),
        )
        for _ in range(2)
    ]


def vectors(seeds: int, prompts: int, effect: float, *, rng: np.random.Generator) -> list[Sample]:
    """Draw embeddings like the reference; the last seeds are far from it, the first nearer."""
    away = np.linspace(-0.5, 1, seeds)[:, None, None] * effect
    return [
        sample(Kid.needs[0], rng.normal(size=(seeds, prompts, 6)) * (1 + away)) for _ in range(2)
    ]


def ranked(metric: Metric, samples: Sequence[Sample], *, share: float = 0.25) -> Ranking:
    return rank_samples(metric, samples, IDENTITY, share=share)


def permuted(samples: Sequence[Sample], *, rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(
            each.seeds,
            each.prompts,
            {need: permute_owners(values, None, rng) for need, values in each.columns.items()},
        )
        for each in samples
    ]


def test_planted_seeds_are_found_at_both_ends() -> None:
    rng = np.random.default_rng(1)
    result = ranked(Score(), scores(32, 1.0, rng=rng))
    assert set(range(100, 105)) <= set(result.golden.seeds)
    assert set(range(127, 132)) <= set(result.bad.seeds)
    assert result.golden.confirmed
    assert result.bad.confirmed
    assert result.golden.null_p <= 0.05
    assert result.gap.p <= 0.05
    assert result.golden.verdict.startswith("set 2 confirms set 1")
    assert result.golden.chosen_mean_set2 > result.mean_set2 > result.bad.chosen_mean_set2


def test_nothing_is_found_when_owners_are_permuted() -> None:
    """With the same images and the same rule, only the owners of images are drawn at random."""
    rng = np.random.default_rng(2)
    samples = scores(32, 1.0, rng=rng)
    found = [ranked(Score(), permuted(samples, rng=rng)) for _ in range(20)]
    confirmed = sum(result.golden.confirmed for result in found)
    assert confirmed <= 4  # 20 tries at 5 %: more than 4 has probability 0.0026
    empty = [result for result in found if not result.golden.confirmed]
    assert all(result.golden.seeds == () for result in empty)
    assert "set 2 does not confirm set 1" in empty[0].golden.verdict
    assert "The list is empty." in empty[0].golden.verdict
    # The negative control: relabelling whole seeds leaves the planted effect in place.
    order = rng.permutation(32)
    moved = [
        Sample(s.seeds, s.prompts, {k: v[order] for k, v in s.columns.items()}) for s in samples
    ]
    assert ranked(Score(), moved).golden.confirmed


def test_kid_ranks_the_seeds_near_the_reference_first() -> None:
    rng = np.random.default_rng(3)
    result = ranked(Kid(), vectors(24, 30, 1.0, rng=rng))
    assert not result.higher_is_better
    assert result.bad.confirmed
    assert set(result.bad.seeds) <= set(range(116, 124))
    assert result.seeds[0].value < result.seeds[-1].value
    assert result.seeds[0].rank_set2 == 1
    assert result.seeds[-1].p_worse < 0.01 < result.seeds[-1].p_better
    assert result.reliability.method.startswith("measured")
    assert result.reliability != result.rank_correlation
    assert result.reliability_half is not None
    assert (result.reliability.n, result.reliability_half.n) == (30, 15)


def test_values_are_those_of_set_2() -> None:
    rng = np.random.default_rng(4)
    samples = scores(16, 0.5, rng=rng)
    result = ranked(Score(), samples)
    second = samples[1].columns[Score.needs[0]].mean(axis=1)
    for row in result.seeds:
        assert row.value == pytest.approx(second[row.seed - 100])
        assert row.low < row.value < row.high
        assert row.n == PROMPTS


def test_both_nulls_stand_beside_the_count() -> None:
    rng = np.random.default_rng(5)
    result = ranked(Score(), scores(32, 0.0, rng=rng))
    assert result.golden.chosen == 8
    assert result.golden.unrelated_mean == pytest.approx(8 * 8 / 32)
    assert result.golden.null_mean == pytest.approx(2, abs=0.4)
    assert result.permutations == MEAN_PERMUTATIONS
    assert ranked(Kid(), vectors(8, 30, 0.0, rng=rng)).permutations == PERMUTATIONS
    assert result.rank_correlation.low < 0 < result.rank_correlation.high
    assert result.null_low < result.mean_set2 < result.null_high


def test_ties_at_the_boundary_are_listed_whole_and_change_nothing_by_seed_number() -> None:
    values = np.zeros((16, PROMPTS))
    values[:6] = 1.0  # six tie for four places
    result = ranked(Score(), [sample(Score.needs[0], values) for _ in range(2)])
    assert result.golden.chosen == result.golden.top_set2 == result.golden.again == 6
    assert {row.rank_set2 for row in result.seeds} == {3.5, 11.5}


def test_too_much_noise_says_how_many_prompts_it_would_take() -> None:
    for start in range(20):
        rng = np.random.default_rng(start)
        seeds = rng.normal(size=(64, 1)) * 0.12
        samples = [sample(Score.needs[0], seeds + rng.normal(size=(64, PROMPTS))) for _ in range(2)]
        result = ranked(Score(), samples)
        if result.prompts_needed and not result.golden.confirmed:
            r = result.reliability.value
            n = result.prompts_needed
            assert n == int(np.ceil(PROMPTS * (1 - r) / r))
            grown = n / PROMPTS  # Spearman-Brown must give the target reliability
            assert grown * r / (1 + (grown - 1) * r) == pytest.approx(0.5, abs=0.01)
            assert f"about {n:,} prompts per set" in result.golden.verdict
            return
    pytest.fail("no noisy run had a small positive reliability")


def test_the_same_samples_give_the_same_ranking_and_json_gives_it_back() -> None:
    samples = scores(16, 0.5, rng=np.random.default_rng(6))
    first, second = ranked(Score(), samples), ranked(Score(), samples)
    assert first == second
    assert Ranking.from_json(first.to_json()) == first


def test_the_order_of_the_prompts_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    samples = vectors(16, 20, 1.0, rng=rng)
    order = rng.permutation(20)
    turned = [
        Sample(
            s.seeds,
            tuple(s.prompts[i] for i in order),
            {k: v[:, order] for k, v in s.columns.items()},
        )
        for s in samples
    ]
    first, second = ranked(Kid(), samples), ranked(Kid(), turned)
    assert [row.seed for row in first.seeds] == [row.seed for row in second.seeds]
    assert first.golden.again == second.golden.again


def test_a_thousand_seeds_take_seconds() -> None:
    rng = np.random.default_rng(8)
    metric = Kid()
    (one, _) = vectors(256, 40, 0.5, rng=rng)
    prepared = metric.prepare(one.columns)
    start = time.process_time()
    for _ in range(20):
        metric.values(prepared)
    per_draw = (time.process_time() - start) / 20
    assert per_draw * 4 * 2 * PERMUTATIONS < 120  # 1,024 seeds, both sets, 200 draws


def test_a_run_is_ranked_saved_and_read_again(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=30, ranking={"metric": COLOUR_KID}, features=[COLOUR])
    grey = np.full((64, 64, 3), 128, np.uint8)

    def draw(prompt: synthetic.Prompt, seed: int) -> synthetic.Pixels:
        return np.clip(
            synthetic.noisy(prompt, seed) // 8 + grey // 8 * 7 + seed * 12, 0, 255
        ).astype(np.uint8)

    synthetic.draw_all(run, draw)
    synthetic.extract_all(run, COLOUR)
    result = rank(run)
    assert (result.metric, result.run_id, result.grid_hash) == (
        "kid_colour",
        run.run_id,
        run.grid_hash,
    )
    assert result.rank_correlation.value > 0.8
    with pytest.raises(RunError, match="is not ranked: run `goldenseed rank` first"):
        read_ranking(run)
    save_ranking(run, result)
    assert read_ranking(run) == result
    (tmp_path / "ranking.json").write_text("{}")
    with pytest.raises(RunError, match="missing or damaged"):
        read_ranking(run)
    save_ranking(run, result)
    run.grow([99], [])
    with pytest.raises(RunError, match="earlier grid"):
        read_ranking(run)


def test_settings_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=4)
    with pytest.raises(ConfigError, match="recipe synthetic ranks nothing"):
        rank(run)
    with pytest.raises(RunError, match="is not ranked: recipe synthetic ranks nothing"):
        read_ranking(run)
    with pytest.raises(ConfigError, match=r"no better end.*kid_perceptual"):
        rank(run, metric="brightness")
    with pytest.raises(ConfigError, match="at least 200"):
        rank(run, metric="failure_rate", permutations=10)


def test_a_metric_of_the_small_world_refuses_other_models_in_python_too(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path / "small", n_prompts=4)
    other = synthetic.start(tmp_path / "photographs", n_prompts=4)
    other.card = run.card.model_copy(update={"name": "mine", "demonstration": False})
    for call in (lambda: rank(other, metric="kid_perceptual"),
                 lambda: measure(other, ["kid_perceptual"])):  # fmt: skip
        with pytest.raises(ConfigError, match="kid_perceptual knows only the small world"):
            call()
    with pytest.raises(RunError):  # the same call on a model of the small world: no feature yet
        rank(run, metric="kid_perceptual")
    with pytest.raises(RunError):  # an own card says which world the metric knows
        rank(other, metric="clip_seedling@clip-seedling")


def test_too_few_seeds_and_unlike_sets_are_refused() -> None:
    rng = np.random.default_rng(9)
    with pytest.raises(RunError, match="7 seeds"):
        ranked(Score(), [sample(Score.needs[0], rng.normal(size=(7, 9))) for _ in range(2)])
    first, second = (sample(Score.needs[0], rng.normal(size=(s, 9))) for s in (8, 9))
    with pytest.raises(RunError, match="different seeds"):
        ranked(Score(), [first, second])
    with pytest.raises(RunError, match="cannot rank, set 1 has 2 images"):
        ranked(Kid(), vectors(8, 2, 0.0, rng=rng))
    one = sample(Score.needs[0], rng.normal(size=(8, 1)))
    with pytest.raises(RunError, match=r"set 1 has 1 images per seed in 1 prompt group\(s\)"):
        ranked(Score(), [one, one])


def test_a_distance_stands_beside_its_noise_floor_and_a_mean_has_none() -> None:
    rng = np.random.default_rng(10)
    result = ranked(Kid(), vectors(8, 30, 1.0, rng=rng))
    assert result.floor is not None
    assert (result.floor.n, result.floor.reference_n) == (30, 170)
    assert "30 of the reference's images from its 170 others" in result.floor_note
    assert result.seeds[-1].value > result.floor.mean + 3 * result.floor.spread
    assert Ranking.from_json(result.to_json()) == result
    many = ranked(Kid(), vectors(8, 101, 1.0, rng=rng))
    assert many.floor is None
    assert "needs 2n = 202 reference images, there are 200" in many.floor_note
    assert ranked(Score(), scores(8, 0.0, rng=rng)).floor_note == ""


def test_a_frechet_distance_stands_beside_that_of_infinitely_many_images() -> None:
    rng = np.random.default_rng(11)
    result = ranked(Frechet(), vectors(8, 48, 1.0, rng=rng))
    assert result.at_infinity_n == (24, 36, 48)
    limits = np.array([one.at_infinity for one in result.seeds], float)
    assert f"seed {result.seeds[0].seed} {limits[0]:.4g}, worst" in result.at_infinity_note
    assert (limits < [one.value for one in result.seeds]).all()  # the bias is upwards
    assert Ranking.from_json(result.to_json()) == result
    few = ranked(Frechet(), vectors(8, 12, 1.0, rng=rng))
    assert "half of the prompt groups hold 6 images" in few.at_infinity_note
    assert (few.at_infinity_n, few.seeds[0].at_infinity) == ((), None)
