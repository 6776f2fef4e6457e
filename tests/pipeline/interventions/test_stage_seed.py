"""One stage of a cascade draws from one seed: DALL-E 2's design, tiny, with random weights."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.interventions.stage_seed import StageSeed
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from tests.pipeline import native_calls, tiny, tiny_pipelines

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Draw = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny_pipelines.checkpoint(
        tmp_path_factory.mktemp("cascade"), load_cards()["kandinsky22"]
    )


@pytest.fixture(scope="module")
def draw(card: Card) -> Draw:
    model = DiffusersPipeline(card, resolve(card), tiny.config(card), Intervention({}))

    def images(parameters: Mapping[str, Any] | None) -> np.ndarray:
        model.intervention = Intervention({}) if parameters is None else StageSeed(parameters)
        return np.asarray(model.generate(native_calls.cells(card)).images)

    return images


def native(card: Card, held: int, seed: int) -> np.ndarray:
    """The two pipelines called by hand, one of them with a generator of the one seed."""
    batch = native_calls.cells(card)
    model = DiffusersPipeline(card, resolve(card), tiny.config(card), Intervention({}))
    texts, own = [p.text for p in batch.prompts], batch.seeds
    streams = [torch.Generator().manual_seed(s) for s in own]
    one = [torch.Generator().manual_seed(seed) for _ in own]
    prior, decoder = model.pipes
    settings = {**card.stages[0].arguments, "return_dict": False}
    with torch.inference_mode():
        yes, no = prior(texts, generator=one if held == 0 else streams, **settings)
        config = tiny.config(card)
        (pixels,) = decoder(
            image_embeds=yes, negative_image_embeds=no, generator=one if held == 1 else streams,
            height=config.height, width=config.width, output_type="pt", return_dict=False,
            num_inference_steps=config.num_inference_steps, guidance_scale=config.guidance_scale,
        )  # fmt: skip
    found = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.asarray(found.permute(0, 2, 3, 1))


@pytest.mark.parametrize("stage", [0, 1])
def test_images_are_those_of_a_call_by_hand(card: Card, draw: Draw, stage: int) -> None:
    ours = draw({"stage": stage, "seed": 7}).astype(int)
    assert abs(ours - native(card, stage, 7)).max() <= 1
    assert abs(ours - native(card, stage, 8)).max() > 1
    assert abs(ours - native(card, 1 - stage, 7)).max() > 1


def test_without_a_seed_it_is_the_baseline(draw: Draw) -> None:
    assert np.array_equal(draw({"stage": 1, "seed": None}), draw(None))
    assert not np.array_equal(draw({"stage": 1, "seed": 7}), draw(None))


def test_a_card_without_such_a_stage_is_refused(card: Card) -> None:
    for parameters, other in (
        ({"stage": 2, "seed": 1}, card),
        ({"stage": 0, "seed": 1}, load_cards()["seedling-mini"]),
    ):
        with pytest.raises(ModelError, match=r"has \d stage"):
            StageSeed(parameters).check(None, other, tiny.config(card))
    StageSeed({"stage": 1, "seed": 1}).check(None, card, tiny.config(card))


@pytest.mark.parametrize(
    "parameters", [{}, {"stage": 0}, {"stage": -1, "seed": 0}, {"stage": 0, "seed": 2**32}]
)
def test_wrong_parameters_are_refused(parameters: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"stage|seed"):
        StageSeed(parameters)
