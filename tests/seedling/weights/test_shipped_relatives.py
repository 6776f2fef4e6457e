"""The shipped relatives and cures of the seedling: small, and they draw what they are for."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.statistics.colours import LUMA
from pipeline.batch import Batch, Drawn
from pipeline.cards.card import find_card, resolve
from pipeline.cards.weights import find_weights
from pipeline.interventions import INTERVENTIONS
from pipeline.models import MODELS
from pipeline.prompts.prompt_sets import Prompt
from pipeline.registry import load
from pipeline.settings.config import InterventionConfig
from pipeline.stage import Uint8Images
from seedling.learning.conditions import control_pictures, draw_seen, outlines
from seedling.world.sentences import sentence
from tests.pipeline import tiny

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MOST = 12 * 2**20
RELATIVES = ("seedling-turbo", "seedling-inpaint", "seedling-control")
CURES = {
    "singdiffusion": "seedling/weights/seedling-singdiffusion",
    "offset_noise": "seedling/weights/offset-noise.safetensors",
}
BLACK = "a solid black background"
CELLS = 3


def draw(name: str, batch: Batch, cure: str = "") -> Drawn:
    """Cells by a card's own family and settings, with a cure or without."""
    card = find_card(name)
    chosen = InterventionConfig()
    if cure:
        chosen = InterventionConfig(name=cure, parameters={"weights": CURES[cure]})
    change = load(INTERVENTIONS, chosen.name, "intervention")(chosen.parameters)
    config = tiny.config(
        card, num_inference_steps=card.num_inference_steps, intervention=chosen,
        batch_size=len(batch.seeds),
    )  # fmt: skip
    model = load(MODELS, card.family, "model family")(card, resolve(card), config, change)
    drawn: Drawn = model.generate(batch)
    return drawn


def conditions(
    name: str, scenes: torch.Tensor, masks: torch.Tensor
) -> dict[str, list[Image.Image]]:
    """What a card's prompts bring: the scene and where its object is, or the object's outline."""
    shown = control_pictures(masks)
    kinds = {
        "seedling-turbo": {},
        "seedling-inpaint": {"image": scenes, "mask": shown},
        "seedling-control": {"image": control_pictures(outlines(masks))},
    }
    return {field: [as_picture(each) for each in of] for field, of in kinds[name].items()}


def as_picture(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray((pixels * 255).round().byte().permute(1, 2, 0).numpy())


def cells(name: str, *, turn: int = 0) -> Batch:
    """Cells of true scenes' sentences; turned, each has the conditions of another scene."""
    scenes, masks, parts = draw_seen(2 * CELLS, seed=5)
    brought = conditions(name, scenes.roll(turn, 0)[:CELLS], masks.roll(turn, 0)[:CELLS])
    pictures = {named(each): each for column in brought.values() for each in column}
    prompts = tuple(
        Prompt(sentence(row), **{field: named(brought[field][n]) for field in brought})
        for n, row in enumerate(parts[:CELLS].tolist())
    )
    return Batch(prompts, tuple(range(CELLS)), pictures)


def named(picture: Image.Image) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def constant(images: Uint8Images) -> list[bool]:
    """Of each image whether it shows nothing."""
    return [bool(each) for each in images.std(axis=(1, 2)).max(axis=1) < 5]


def luma(images: Uint8Images) -> Any:  # noqa: ANN401 - float64 (B,)
    """Mean luma, 0..1."""
    return (images / 255 @ np.array(LUMA)).mean(axis=(1, 2))


def size(place: Path) -> int:
    files = [place] if place.is_file() else place.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def test_each_is_small() -> None:
    of_cards = {part.path for name in RELATIVES for part in find_card(name).parts.values()}
    assert of_cards == {f"seedling/weights/{name}" for name in RELATIVES}
    for path in of_cards | set(CURES.values()):
        assert 2**20 < size(find_weights(path)) <= MOST, path


@pytest.mark.parametrize("name", RELATIVES)
def test_a_relative_draws_pictures_of_its_conditions(name: str) -> None:
    own, other = cells(name), cells(name, turn=CELLS)
    drawn = draw(name, own)
    assert drawn.finite.all()
    assert constant(drawn.images) == [False] * CELLS
    assert constant(np.full_like(drawn.images, 128)) == [True] * CELLS
    moved = abs(draw(name, other).images.astype(int) - drawn.images).mean(axis=(1, 2, 3))
    if own.condition_images:
        assert moved.min() > 5
    else:
        assert moved.max() == 0  # there is nothing to turn


def test_black_is_black_with_each_cure_and_not_without() -> None:
    for cure in CURES:
        drawn = draw("seedling", Batch((Prompt(BLACK),) * 4, tuple(range(4))), cure)
        assert drawn.finite.all()
        assert luma(drawn.images).max() < 0.1, cure
    plain = draw("seedling", Batch((Prompt(BLACK),) * 16, tuple(range(16))))
    assert luma(plain.images).max() > 0.5
