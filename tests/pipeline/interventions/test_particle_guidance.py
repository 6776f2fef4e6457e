"""Particle Guidance against its formula in plain loops, and the groups it needs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.cards.card import Card, load_cards
from pipeline.errors import ModelError
from pipeline.interventions.particle_guidance import ParticleGuidance, push
from tests.pipeline import tiny
from tests.pipeline.interventions.by_hand import draw

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEPS = 4  # time steps 751, 501, 251, 1: sigma_t is below 1 at the last two
GROUP = tiny.batch((tiny.PROMPTS[0],) * 4, (4, 5, 6, 7))
GUIDANCE = 3.0
STRONG = 2000.0  # the tiny network's images hardly move at the authors' 30


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


def guided(card: Card, cells: Any = GROUP, **parameters: Any) -> np.ndarray:  # noqa: ANN401
    settings = tiny.config(card, num_inference_steps=STEPS, guidance_scale=GUIDANCE)
    made = ParticleGuidance({"coefficient": STRONG, **parameters})
    return np.asarray(tiny.model(card, settings, made).generate(cells).images).astype(int)


def push_by_formula(x: np.ndarray) -> np.ndarray:
    """sum_j 2 k_ij d_ij / h_i over the other images of one group, in loops."""
    n = len(x)
    away = np.zeros_like(x)
    for i in range(n):
        d = {j: x[i] - x[j] for j in range(n) if j != i}
        h = np.median([np.sqrt((v**2).sum()) for v in d.values()]) ** 2 / np.log(n - 1)
        for v in d.values():
            away[i] += 2 * np.exp(-(v**2).sum() / h) * v / h
    return away


def combine(*, w: float, cut: bool) -> Callable[..., torch.Tensor]:
    """eps_c + w (eps_c - eps_u) - g."""

    def combined(
        no: torch.Tensor,
        yes: torch.Tensor,
        x: torch.Tensor,
        t: torch.Tensor,
        scheduler: Any,  # noqa: ANN401
    ) -> torch.Tensor:
        alpha_bar = float(scheduler.alphas_cumprod[t])
        sigma = ((1 - alpha_bar) / alpha_bar) ** 0.5
        coefficient = 0.0 if cut and sigma < 1 else STRONG
        g = push_by_formula(x.double().numpy()) * sigma * coefficient
        return yes + w * (yes - no) - torch.from_numpy(g).float()

    return combined


def second(card: Card, *, variant: str, w: float = GUIDANCE - 1) -> np.ndarray:
    """The authors' loop, or the formula at every step; their w is one less than our guidance."""
    settings = tiny.config(card, num_inference_steps=STEPS, guidance_scale=GUIDANCE)
    coded = variant == "as_coded"
    return draw(
        card,
        settings,
        GROUP,
        steps=lambda timesteps: timesteps[:-1] if coded else timesteps,
        combine=combine(w=w, cut=coded),
    )


@pytest.mark.parametrize("variant", ["as_coded", "as_written"])
def test_both_variants_agree_with_a_second_implementation(card: Card, variant: str) -> None:
    ours = guided(card, variant=variant)
    assert abs(ours - second(card, variant=variant)).max() <= 1
    assert abs(ours - second(card, variant=variant, w=GUIDANCE)).max() > 1
    assert abs(ours - guided(card, variant=variant, coefficient=0)).max() > 1


@pytest.mark.parametrize("t", [751, 251, 1])
def test_the_variants_differ_at_low_noise_and_at_the_last_step(card: Card, t: int) -> None:
    generator = torch.Generator().manual_seed(3)
    x, eps = (torch.randn(4, 16, 8, 8, generator=generator) for _ in range(2))
    settings = tiny.config(card, num_inference_steps=STEPS)
    stepped = {}
    for variant in ("as_coded", "as_written"):
        made = ParticleGuidance({"variant": variant, "coefficient": STRONG})
        scheduler = tiny.model(card, settings, made).pipe.scheduler
        scheduler.set_timesteps(STEPS)
        stepped[variant] = scheduler.step(eps, torch.tensor(t), x, return_dict=False)[0]
    alpha_bar = float(scheduler.alphas_cumprod[t])
    g = push_by_formula(x.double().numpy()) * ((1 - alpha_bar) / alpha_bar) ** 0.5 * STRONG
    plain, pushed = (
        type(scheduler).step(scheduler, e, torch.tensor(t), x, return_dict=False)[0]
        for e in (eps, eps - torch.from_numpy(g).float())
    )
    assert (pushed - plain).abs().max() > 1e-3
    assert torch.allclose(stepped["as_written"], pushed, atol=1e-4)
    coded = {751: pushed, 251: plain, 1: x}[t]
    assert torch.allclose(stepped["as_coded"], coded, atol=1e-4)


def test_push_agrees_with_the_formula_group_by_group() -> None:
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    found = push(x, size=4).double().numpy()
    wanted = [push_by_formula(part.double().numpy()) for part in x.split(4)]
    assert np.allclose(found, np.concatenate(wanted), atol=1e-5)
    assert not np.allclose(found, push_by_formula(x.double().numpy()), atol=1e-3)


def test_equal_images_are_not_pushed() -> None:
    assert torch.equal(push(torch.ones(4, 1, 2, 2), size=4), torch.zeros(4, 1, 2, 2))


def test_images_of_a_group_are_pushed_apart() -> None:
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    apart = torch.pdist(x.flatten(1)), torch.pdist((x + 0.1 * push(x, size=4)).flatten(1))
    assert (apart[1] > apart[0]).all()


def test_an_image_depends_on_its_group_and_on_no_other(card: Card) -> None:
    alone = guided(card)
    two = tiny.batch((tiny.PROMPTS[0],) * 4 + (tiny.PROMPTS[1],) * 4, (4, 5, 6, 7, 0, 1, 2, 3))
    assert abs(guided(card, two)[:4] - alone).max() <= 1
    mates = tiny.batch((tiny.PROMPTS[0],) * 4, (4, 5, 6, 8))
    assert abs(guided(card, mates)[0] - alone[0]).max() > 1


@pytest.mark.parametrize(
    "cells",
    [
        tiny.batch((tiny.PROMPTS[0],) * 3, (4, 5, 6)),
        tiny.batch((*(tiny.PROMPTS[0],) * 3, "grey"), (4, 5, 6, 7)),
    ],
)
def test_a_batch_of_cut_groups_is_refused(card: Card, cells: Any) -> None:  # noqa: ANN401
    with pytest.raises(ModelError, match="groups of 4 images of one prompt"):
        guided(card, cells)


@pytest.mark.parametrize(
    "changes",
    [
        {"scheduler": "EulerDiscreteScheduler"},
        {"scheduler_config": {"prediction_type": "v_prediction"}},
    ],
)
def test_other_samplers_are_refused(card: Card, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="changes the predicted noise"):
        tiny.model(card, tiny.config(card, **changes), ParticleGuidance({}))


def test_a_learned_variance_and_a_video_are_refused(card: Card) -> None:
    learned = tiny.config(
        card, scheduler="DDPMScheduler", scheduler_config={"variance_type": "learned_range"}
    )
    with pytest.raises(
        ModelError, match=r"a variance_type of learned_range.*whose variance is fix"
    ):
        tiny.model(card, learned, ParticleGuidance({}))
    fixed = tiny.config(card, scheduler="DDPMScheduler")
    pipe = tiny.model(card, fixed, ParticleGuidance({})).pipe
    video = card.model_copy(update={"frames": 3})
    with pytest.raises(ModelError, match=r"videos of 3 frames.*a group's images"):
        ParticleGuidance({}).check(pipe, video, fixed)


def test_the_last_step_answers_as_a_step_does(card: Card) -> None:
    """Some pipelines take a step's answer by name and not by place."""
    scheduler = tiny.model(card, tiny.config(card), ParticleGuidance({})).pipe.scheduler
    scheduler.set_timesteps(STEPS)
    x = torch.ones(4, 16, 8, 8)
    last = scheduler.timesteps[-1]
    assert torch.equal(scheduler.step(x, last, x).prev_sample, x)
    assert torch.equal(scheduler.step(x, last, x, return_dict=False)[0], x)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"variant": "coded"}, "variant is 'coded'"), ({"coefficient": -1}, "coefficient is -1")],
)
def test_wrong_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParticleGuidance(parameters)
