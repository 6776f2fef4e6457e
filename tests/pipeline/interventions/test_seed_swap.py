"""Seed swap: against sampling written out, and refused where it could show nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionAdapterPipeline

from pipeline.cards.card import Card, load_cards
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.interventions.seed_swap import SeedSwap
from tests.pipeline import tiny
from tests.pipeline.interventions.by_hand import draw, guided, noises

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OTHER = 99
SHAPE = (16, 8, 8)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


def swapped(card: Card, parameters: dict[str, Any], **changes: Any) -> np.ndarray:  # noqa: ANN401
    settings = tiny.config(card, **{"eta": 1.0, **changes})
    model = tiny.model(card, settings, SeedSwap(parameters))
    return np.asarray(model.generate(tiny.batch()).images).astype(int)


def plan(swap_at: int, *, skipped: int) -> Callable[[int], torch.Tensor]:
    """Own noise before the swap, the other seed's after it; its first `skipped` numbers unused."""

    def noise(step: int) -> torch.Tensor:
        own = [noises(seed, SHAPE, 4)[1 + step] for seed in tiny.SEEDS]
        other = noises(OTHER, SHAPE, 5)[skipped + step]
        return torch.stack([other if step >= swap_at else mine for mine in own])

    return noise


@pytest.mark.parametrize("step", [0, 1, 2])
def test_the_other_seed_has_drawn_its_start_and_the_earlier_steps(card: Card, step: int) -> None:
    ours = swapped(card, {"seed": OTHER, "step": step})
    settings = tiny.config(card, eta=1.0)
    combine = guided(settings.guidance_scale)
    right, fresh = (
        draw(
            card,
            settings,
            tiny.batch(),
            step_noise=plan(step, skipped=skipped),
            combine=combine,
        )
        for skipped in (1, 0)
    )
    assert abs(ours - right).max() <= 1
    assert abs(ours - fresh).max() > 1, "a fresh generator would repeat the starting noise"


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "DDPMScheduler"])
def test_a_swap_with_itself_is_the_baseline_bit_for_bit(
    card: Card, scheduler: str, step: int
) -> None:
    settings = tiny.config(card, eta=1.0, scheduler=scheduler)
    if step == 2 and scheduler == "DDPMScheduler":
        pytest.skip("its last step has no noise")
    plain = tiny.model(card, settings, Intervention({})).generate(tiny.batch()).images
    found = swapped(card, {"seed": None, "step": step}, scheduler=scheduler)
    assert np.array_equal(found, plain)
    other = swapped(card, {"seed": OTHER, "step": step}, scheduler=scheduler)
    assert not np.array_equal(other, plain)


@pytest.mark.parametrize(
    ("changes", "step", "message"),
    [
        ({"eta": 0.0}, 1, "at eta 0 draws none"),
        ({"scheduler": "EulerDiscreteScheduler"}, 1, "found EulerDiscreteScheduler"),
        ({}, 3, "of 3 steps .* the last one whose noise enters the image is 2"),
        ({"scheduler": "EulerAncestralDiscreteScheduler"}, 2, "enters the image is 1"),
    ],
)
def test_a_swap_that_could_show_nothing_is_refused(
    card: Card, changes: dict[str, Any], step: int, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        swapped(card, {"seed": OTHER, "step": step}, **changes)


def test_a_pipeline_that_shows_no_steps_and_a_video_are_refused(card: Card) -> None:
    settings = tiny.config(card, eta=1.0)
    pipe = tiny.native(card, settings)
    SeedSwap({"seed": OTHER, "step": 1}).check(pipe, card, settings)
    video = card.model_copy(update={"frames": 3})
    with pytest.raises(ModelError, match=r"videos of 3 frames.*generator is chosen before"):
        SeedSwap({"seed": OTHER, "step": 1}).check(pipe, video, settings)
    parts = {**pipe.components, "adapter": None}
    del parts["image_encoder"]
    adapted = StableDiffusionAdapterPipeline(**parts, requires_safety_checker=False)
    with pytest.raises(ModelError, match="AdapterPipeline takes no callback_on_step_end"):
        SeedSwap({"seed": OTHER, "step": 1}).check(adapted, card, settings)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"step": 1}, "missing: seed"),
        ({"seed": 2**32, "step": 1}, "outside"),
        ({"seed": 1, "step": -1}, "step is -1"),
    ],
)
def test_wrong_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SeedSwap(parameters)
