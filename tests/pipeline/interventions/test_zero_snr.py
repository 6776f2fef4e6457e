"""Zero terminal SNR: exactly zero, the library's own images, and refused where it cannot work."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from pipeline.cards.card import Card, load_cards
from pipeline.errors import ModelError
from pipeline.interventions.zero_snr import ZeroSnr
from tests.pipeline import tiny

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

V = {"prediction_type": "v_prediction"}


@pytest.fixture(scope="module")
def epsilon(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


@pytest.fixture(scope="module")
def card(epsilon: Card) -> Card:
    return epsilon.model_copy(update={"scheduler_config": V})


@pytest.mark.parametrize("kind", ["DDIMScheduler", "DDPMScheduler"])
def test_the_schedule_ends_in_exactly_nothing_and_is_visited(card: Card, kind: str) -> None:
    scheduler = tiny.model(card, tiny.config(card, scheduler=kind), ZeroSnr({})).pipe.scheduler
    scheduler.set_timesteps(3)
    assert float(scheduler.alphas_cumprod[-1]) == 0
    assert float(scheduler.betas[-1]) == 1
    assert int(scheduler.timesteps[0]) == 999
    kinds = {"DDIMScheduler": DDIMScheduler, "DDPMScheduler": DDPMScheduler}
    before = kinds[kind].from_config(scheduler.config, rescale_betas_zero_snr=False)
    assert abs(float(before.alphas_cumprod[-1]) ** 0.5 - 0.068265) < 1e-5
    # By the paper's formula: shift the last root to 0, scale the first back.
    roots = before.alphas_cumprod.double().sqrt()
    rescaled = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    assert torch.allclose(scheduler.alphas_cumprod.double().sqrt(), rescaled, atol=1e-4)


def native(card: Card, *, rescale: float = 0.7, **scheduler: Any) -> np.ndarray:  # noqa: ANN401
    wanted = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} | scheduler
    settings = tiny.config(card, scheduler_config=V | wanted)
    images = tiny.native_images(card, settings, tiny.batch(), guidance_rescale=rescale)
    return np.stack([np.asarray(image) for image in images]).astype(int)


def test_the_images_are_the_librarys(card: Card) -> None:
    ours = tiny.model(card, tiny.config(card), ZeroSnr({})).generate(tiny.batch())
    assert ours.finite.all()
    assert abs(ours.images.astype(int) - native(card)).max() <= 1
    wrong = (
        native(card, rescale_betas_zero_snr=False),
        native(card, timestep_spacing="leading"),
        native(card, rescale=0.0),
    )
    assert all(abs(ours.images.astype(int) - other).max() > 1 for other in wrong)


def test_an_epsilon_model_is_refused_with_the_reason(epsilon: Card) -> None:
    with pytest.raises(ModelError, match=r"predicts epsilon.*divide by sqrt\(alpha_bar\) = 0"):
        tiny.model(epsilon, tiny.config(epsilon), ZeroSnr({}))


def test_what_the_refusal_is_for(card: Card) -> None:
    x = torch.ones(1, 16, 8, 8)
    finite = {}
    for predicts in ("epsilon", "v_prediction"):
        pipe = tiny.model(card, tiny.config(card), ZeroSnr({})).pipe
        scheduler = type(pipe.scheduler).from_config(
            pipe.scheduler.config, prediction_type=predicts
        )
        scheduler.set_timesteps(3)
        stepped = scheduler.step(0.5 * x, scheduler.timesteps[0], x).prev_sample
        finite[predicts] = bool(torch.isfinite(stepped).all())
    assert finite == {"epsilon": False, "v_prediction": True}


def test_a_recipe_cannot_make_an_epsilon_model_predict_v(epsilon: Card) -> None:
    with pytest.raises(ModelError, match="belongs in the card"):
        tiny.model(epsilon, tiny.config(epsilon, scheduler_config=V), ZeroSnr({}))


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("PNDMScheduler", "cannot rescale its betas"),
        ("EulerDiscreteScheduler", "wanted exactly 0"),
    ],
)
def test_schedulers_that_do_not_reach_zero(card: Card, scheduler: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        tiny.model(card, tiny.config(card, scheduler=scheduler), ZeroSnr({}))


def test_wrong_parameters() -> None:
    with pytest.raises(ValueError, match="guidance_rescale is 2"):
        ZeroSnr({"guidance_rescale": 2})
