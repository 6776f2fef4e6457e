"""The share of seeds' effects that categories have in common, against simulation and by hand."""

import numpy as np
import pytest

from analysis.statistics.arrays import Floats
from analysis.statistics.carried_effects import (
    _Pairs,
    _without_seeds,
    _without_units,
    carried_effects,
)

CATEGORIES = [f"c{i // 6}" for i in range(36)]
UNITS = [f"u{i}" for i in range(36)]


def grid(share: float, rng: np.random.Generator, *, noise: float = 1.0, seeds: int = 60) -> Floats:
    """Values in which `share` of a seed's variance within a category is common to all."""
    of_seed = rng.normal(size=(seeds, 1)) * np.sqrt(share)
    of_category = rng.normal(size=(seeds, 6)) * np.sqrt(1 - share)
    return of_seed + np.repeat(of_category, 6, axis=1) + noise * rng.normal(size=(seeds, 36))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_planted_share_comes_back(share: float) -> None:
    rng = np.random.default_rng(3)
    found = [carried_effects(grid(share, rng), CATEGORIES, UNITS, rng, draws=20) for _ in range(40)]
    values = np.array([effects.share.value for effects in found])
    assert values.mean() == pytest.approx(share, abs=0.06)
    covered = [e.share.low <= share <= e.share.high for e in found]
    assert np.mean(covered) >= 0.9


def test_without_an_interaction_p_is_uniform_and_with_one_it_is_small() -> None:
    rng = np.random.default_rng(4)
    p_values = [
        carried_effects(grid(1.0, rng), CATEGORIES, UNITS, rng, draws=99).p for _ in range(60)
    ]
    assert 0.35 < np.mean(p_values) < 0.65
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    planted = carried_effects(grid(0.3, rng), CATEGORIES, UNITS, rng, draws=99)
    assert planted.p == 0.01
    assert planted.within - planted.between > planted.null_high


def test_covariances_by_hand() -> None:
    rng = np.random.default_rng(5)
    y = rng.normal(size=(7, 5))
    labels, units = ["a", "a", "b", "b", "b"], ["1", "2", "3", "3", "4"]
    effects = carried_effects(y, labels, units, rng, draws=9)
    covariance = np.cov(y, rowvar=False)
    same = [(0, 1), (2, 4), (3, 4)]  # prompts 2 and 3 are of one unit
    other = [(i, j) for i in (0, 1) for j in (2, 3, 4)]
    assert effects.within == pytest.approx(np.mean([covariance[pair] for pair in same]))
    assert effects.between == pytest.approx(np.mean([covariance[pair] for pair in other]))
    of_b = carried_effects(y, labels, units, rng, source="b", draws=9)
    assert of_b.within == pytest.approx(np.mean([covariance[2, 4], covariance[3, 4]]))
    assert of_b.between == pytest.approx(effects.between)


def test_leaving_out_is_computing_anew() -> None:
    rng = np.random.default_rng(6)
    y = grid(0.5, rng, seeds=9)
    y = y - y.mean(axis=0)
    labels, units = np.repeat(np.arange(6), 6), np.arange(36)
    pairs = _Pairs(np.cov(y, rowvar=False), units, None)
    masks = pairs.masks(labels)
    less = _Pairs(np.cov(np.delete(y, 4, axis=0), rowvar=False), units, None)
    assert _without_seeds(y, pairs, masks)[:, 4] == pytest.approx(less.means(masks))
    kept = units != 7
    fewer = _Pairs(pairs.covariances[np.ix_(kept, kept)], units[kept], None)
    assert _without_units(pairs, masks)[:, 7] == pytest.approx(
        fewer.means(fewer.masks(labels[kept]))
    )


def test_noise_alone_has_no_share() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(20, 36))
    found = [carried_effects(rng.permuted(y, axis=0), CATEGORIES, UNITS, rng, draws=9)
             for _ in range(10)]  # fmt: skip
    assert any(np.isnan(effects.share.value) for effects in found)


@pytest.mark.parametrize(
    ("labels", "units", "reason"),
    [
        (["a"] * 4, range(4), "of 1 category"),
        (["a", "b", "c", "d"], range(4), "no category has two prompts"),
        (["a", "a", "b", "b"], [0, 0, 1, 1], "no category has two prompts"),
    ],
)
def test_too_little_is_refused(labels: list[str], units: list[int], reason: str) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=reason):
        carried_effects(rng.normal(size=(5, 4)), labels, units, rng)
