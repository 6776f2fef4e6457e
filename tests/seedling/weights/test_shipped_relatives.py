"""Test that the shipped relatives and corrections are small and have their effect."""

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
from seedling.learning.conditions import control_images, draw_seen, outlines
from seedling.world.sentences import sentence
from tests.pipeline import tiny

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MAX_BYTES = 12 * 2**20
RELATIVES = ("seedling-turbo", "seedling-inpaint", "seedling-control")
CURES = {
    "singdiffusion": "seedling/weights/seedling-singdiffusion",
    "offset_noise": "seedling/weights/offset-noise.safetensors",
}
BLACK = "a solid black background"
CELLS = 3


def draw(name: str, batch: Batch, cure: str = "") -> Drawn:
    """Draw cells with a card's family and settings, with or without a correction."""
    card = find_card(name)
    intervention = InterventionConfig()
    if cure:
        intervention = InterventionConfig(name=cure, parameters={"weights": CURES[cure]})
    change = load(INTERVENTIONS, intervention.name, "intervention")(intervention.parameters)
    config = tiny.config(
        card, num_inference_steps=card.num_inference_steps, intervention=intervention,
        batch_size=len(batch.seeds),
    )  # fmt: skip
    model = load(MODELS, card.family, "model family")(card, resolve(card), config, change)
    drawn: Drawn = model.generate(batch)
    return drawn


def conditions(
    name: str, scenes: torch.Tensor, masks: torch.Tensor
) -> dict[str, list[Image.Image]]:
    """Make a card's condition images: the scene and its object's mask, or the outline."""
    shown = control_images(masks)
    kinds = {
        "seedling-turbo": {},
        "seedling-inpaint": {"image": scenes, "mask": shown},
        "seedling-control": {"image": control_images(outlines(masks))},
    }
    return {field: [as_pil(image) for image in tensors] for field, tensors in kinds[name].items()}


def as_pil(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray((pixels * 255).round().byte().permute(1, 2, 0).numpy())


def cells(name: str, *, turn: int = 0) -> Batch:
    """Make cells of true scenes; with `turn`, each has the conditions of another scene."""
    scenes, masks, parts = draw_seen(2 * CELLS, seed=5)
    conditions_of = conditions(name, scenes.roll(turn, 0)[:CELLS], masks.roll(turn, 0)[:CELLS])
    images = {named(image): image for column in conditions_of.values() for image in column}
    prompts = tuple(
        Prompt(sentence(row), **{field: named(conditions_of[field][n]) for field in conditions_of})
        for n, row in enumerate(parts[:CELLS].tolist())
    )
    return Batch(prompts, tuple(range(CELLS)), images)


def named(image: Image.Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def constant(images: Uint8Images) -> list[bool]:
    """Whether each image is constant."""
    return [bool(flat) for flat in images.std(axis=(1, 2)).max(axis=1) < 5]


def luma(images: Uint8Images) -> Any:  # noqa: ANN401 - float64 (B,)
    """Mean luma, 0..1."""
    return (images / 255 @ np.array(LUMA)).mean(axis=(1, 2))


def size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def test_each_is_small() -> None:
    of_cards = {part.path for name in RELATIVES for part in find_card(name).parts.values()}
    assert of_cards == {f"seedling/weights/{name}" for name in RELATIVES}
    for path in of_cards | set(CURES.values()):
        assert 2**20 < size(find_weights(path)) <= MAX_BYTES, path


@pytest.mark.parametrize("name", RELATIVES)
def test_a_relative_draws_its_conditions(name: str) -> None:
    batch, turned = cells(name), cells(name, turn=CELLS)
    drawn = draw(name, batch)
    assert drawn.finite.all()
    assert constant(drawn.images) == [False] * CELLS
    assert constant(np.full_like(drawn.images, 128)) == [True] * CELLS
    moved = abs(draw(name, turned).images.astype(int) - drawn.images).mean(axis=(1, 2, 3))
    if batch.condition_images:
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
