"""Noise between two seeds: along the sphere, from one seed's noise to the other's."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cards.card import Card, load_cards
from pipeline.interventions.base import Intervention
from pipeline.interventions.none import NoIntervention
from pipeline.interventions.seed_blend import SeedBlend, rotate
from pipeline.noise import draw_noise
from tests.pipeline import tiny

OTHER = 99


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


def images(card: Card, intervention: Intervention) -> np.ndarray:
    drawn = tiny.model(card, tiny.config(card), intervention).generate(tiny.batch())
    return np.asarray(drawn.images).astype(int)


def blend(strength: float) -> SeedBlend:
    return SeedBlend({"seed": OTHER, "strength": strength})


def angle(left: torch.Tensor, right: torch.Tensor) -> float:
    left, right = left.flatten().double(), right.flatten().double()
    return math.acos(float(left @ right / left.norm() / right.norm()))


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_the_angle_is_shared_out_by_strength(seed: int, strength: float) -> None:
    noise, _ = draw_noise([seed, OTHER], (4, 8, 8))
    between = rotate(noise[:1], noise[1:], strength)
    whole = angle(noise[0], noise[1])
    if seed == OTHER:
        assert torch.equal(between, noise[:1])
        return
    unit = rotate(noise[:1] / noise[0].norm(), noise[1:] / noise[1].norm(), strength)
    assert angle(noise[0], unit) == pytest.approx(strength * whole, abs=1e-5)
    assert angle(unit, noise[1]) == pytest.approx((1 - strength) * whole, abs=1e-5)
    assert float(unit.norm()) == pytest.approx(1, abs=1e-5)
    straight = (1 - strength) * noise[0] + strength * noise[1]
    assert float(between.norm()) > float(straight.norm())


def test_strength_0_is_the_own_seed_and_1_the_other(card: Card) -> None:
    own = images(card, NoIntervention({}))
    assert np.array_equal(images(card, blend(0)), own)
    theirs = images(card, blend(1))
    assert abs(theirs - theirs[:1]).max() > 1, "prompts and step noise still differ"
    noise, _ = draw_noise(tiny.SEEDS, (4, 8, 8))
    expected = draw_noise([OTHER], (4, 8, 8))[0].expand_as(noise)
    assert torch.allclose(blend(1).starting_noise(noise, tiny.batch()), expected, atol=1e-6)
    assert not torch.allclose(blend(0.9).starting_noise(noise, tiny.batch()), expected, atol=0.05)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"seed": OTHER, "strength": 1.1}, "strength"),
        ({"seed": OTHER, "strength": -0.1}, "strength"),
        ({"seed": OTHER, "strength": float("nan")}, "strength"),
        ({"seed": None, "strength": 0.5}, "seed"),
        ({"seed": 2**32, "strength": 0.5}, "4294967296"),
        ({"seed": OTHER}, "strength"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SeedBlend(parameters)


def test_the_runs_rule_of_noise_is_used(tmp_path: Path) -> None:
    intervention = blend(1)
    card = load_cards()["seedling-mini"]
    config = tiny.config(card).model_copy(update={"noise": "philox"})
    intervention.check(None, card, config)
    noise, _ = draw_noise([3], (4, 8, 8), spec="philox")
    expected, _ = draw_noise([OTHER], (4, 8, 8), spec="philox")
    batch = tiny.batch()
    assert torch.allclose(intervention.starting_noise(noise, batch), expected, atol=1e-6)
