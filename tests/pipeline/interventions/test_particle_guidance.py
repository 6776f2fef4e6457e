"""Particle Guidance against its formula in plain loops, and the groups it needs."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.cards.card import Card, load_cards
from pipeline.errors import ModelError
from pipeline.interventions.particle_guidance import ParticleGuidance, push
from pipeline.settings.config import InterventionConfig
from tests.pipeline import tiny
from tests.pipeline.interventions.by_hand import draw, noises

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEPS = 4  # time steps 751, 501, 251, 1: sigma_t is below 1 at the last two
GROUP = tiny.batch((tiny.PROMPTS[0],) * 4, (4, 5, 6, 7))
GUIDANCE = 3.0
STRONG = 2000.0  # the tiny network's images hardly move at the authors' 30
FIRST_ID = "3f98144505e9340a"  # of a run that version 1 drew


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


def combine(
    no: torch.Tensor,
    yes: torch.Tensor,
    x: torch.Tensor,
    t: torch.Tensor,
    scheduler: Any,  # noqa: ANN401
) -> torch.Tensor:
    """The formula at every step: eps_c + w (eps_c - eps_u) - g; w is our guidance minus 1."""
    alpha_bar = float(scheduler.alphas_cumprod[t])
    g = push_by_formula(x.double().numpy()) * ((1 - alpha_bar) / alpha_bar) ** 0.5 * STRONG
    return yes + (GUIDANCE - 1) * (yes - no) - torch.from_numpy(g).float()


@torch.no_grad()
def as_their_program(
    card: Card,
    *,
    count: int,
    w: float = GUIDANCE - 1,
    coefficient: float = 30.0,
    skip_last: bool = False,
) -> tuple[np.ndarray, list[int]]:
    """The authors' sampler, without diffusers' scheduler: the final latents, and its time steps.

    Their patched scheduler appends a 0 to the time steps, and their loop takes all but the last.
    A step is x / sqrt(a) + (sigma_next - sigma) eps, times sqrt(a_next).
    """
    pipe = tiny.native(card, tiny.config(card, num_inference_steps=count))
    texts = [prompt.text for prompt in GROUP.prompts]
    yes, no = pipe.encode_prompt(
        texts, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True
    )
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    a = np.cumprod(1 - betas)
    sigmas = np.sqrt((1 - a) / a)
    timesteps = [k * (1000 // count) + 1 for k in reversed(range(count))] + [0]
    x = np.stack([noises(seed, (16, 8, 8), 1)[0].double().numpy() for seed in GROUP.seeds])
    called = []
    for t, following in pairwise(timesteps[:-1] if skip_last else timesteps):
        called.append(t)
        both = torch.from_numpy(np.concatenate([x, x])).float()
        eps_u, eps_c = pipe.unet(both, t, torch.cat([no, yes])).sample.double().numpy().reshape(
            2, *x.shape
        )  # fmt: skip
        g = push_by_formula(x) * sigmas[t] * (0 if sigmas[t] < 1 else coefficient)
        eps = eps_c + w * (eps_c - eps_u) - g
        x = (x / np.sqrt(a[t]) + (sigmas[following] - sigmas[t]) * eps) * np.sqrt(a[following])
    return x, called


@pytest.mark.parametrize("count", [STEPS, 20])
def test_as_coded_agrees_with_the_authors_sampler(card: Card, count: int) -> None:
    theirs, called = as_their_program(card, count=count)
    assert (len(called), called[-1]) == (count, 1), "they take each step, the last at t = 1"
    settings = tiny.config(card, num_inference_steps=count, guidance_scale=GUIDANCE)
    made = ParticleGuidance({"variant": "as_coded", "coefficient": 30})
    drawn = tiny.model(card, settings, made).generate(replace(GROUP, keep_latents="last"))
    ours = next(iter(drawn.latents.values()))
    assert abs(ours - theirs).max() <= 2e-5 * abs(theirs).max()
    # One step less, our guidance as their w, and no push would be noticed.
    for other in ({"skip_last": True}, {"w": GUIDANCE}, {"coefficient": 0}):
        changed, _ = as_their_program(card, count=count, **other)  # type: ignore[arg-type]
        assert abs(ours - changed).max() > 1e-3


def test_as_written_agrees_with_the_formula_at_every_step(card: Card) -> None:
    settings = tiny.config(card, num_inference_steps=STEPS, guidance_scale=GUIDANCE)
    ours = guided(card, variant="as_written")
    assert abs(ours - draw(card, settings, GROUP, combine=combine)).max() <= 1
    assert abs(ours - guided(card, variant="as_written", coefficient=0)).max() > 1


@pytest.mark.parametrize("t", [751, 251, 1])
def test_the_variants_differ_at_low_noise(card: Card, t: int) -> None:
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
    coded = {751: pushed, 251: plain, 1: plain}[t]
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


@pytest.mark.parametrize("t", [751, 1])
def test_a_step_answers_by_name_and_by_place(card: Card, t: int) -> None:
    scheduler = tiny.model(card, tiny.config(card), ParticleGuidance({})).pipe.scheduler
    scheduler.set_timesteps(STEPS)
    x = torch.ones(4, 16, 8, 8)
    by_name = scheduler.step(x, torch.tensor(t), x).prev_sample
    assert torch.equal(by_name, scheduler.step(x, torch.tensor(t), x, return_dict=False)[0])


def test_a_run_of_the_first_version_is_another_run(card: Card) -> None:
    """Version 1 left out the last step: its images and today's never share a run."""
    today = InterventionConfig(name="particle_guidance").with_source()
    assert today.code_version == 2
    first = InterventionConfig(name="particle_guidance")  # as a run.json of version 1 has it
    assert tiny.config(card, intervention=first).run_id == FIRST_ID
    assert tiny.config(card, intervention=today).run_id != FIRST_ID


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"variant": "coded"}, "variant is 'coded'"), ({"coefficient": -1}, "coefficient is -1")],
)
def test_wrong_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParticleGuidance(parameters)
