"""Test the fine-tuned models: their data and prompts, learning, and resuming."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from seedling.learning.pool import scene_chunks
from seedling.learning.relatives import Base, publish
from seedling.randomness import make_generator
from seedling.train.fine_tuned import (
    INSTANCE,
    MODELS,
    PAINT,
    PICTURES,
    instance_rows,
    instance_specs,
    style_rows,
    train,
    training_prompts,
    tuning_loss,
)
from seedling.world.scenes import render
from seedling.world.sentences import FREE
from seedling.world.vocabulary import COLOURS, LEARNED_THING, OBJECTS, PAINTS
from tests.seedling import tiny_base


@dataclass(frozen=True)
class Watched(Base):
    """A seedling that records the images that it encodes."""

    seen: list[Tensor] = field(default_factory=list)

    def encode(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return super().encode(images)


def watched(base: Base) -> Watched:
    return Watched(**{field_.name: getattr(base, field_.name) for field_ in fields(base)})


def bare_paper(images: Tensor) -> float:
    """Share of images with a white border, like a watercolour's."""
    border = torch.cat([images[:, :, 0], images[:, :, -1]], dim=2)
    return float((border.mean(dim=(1, 2)) > 0.9).float().mean())


def test_the_style_is_in_the_images_and_not_in_the_prompts(base: Base) -> None:
    watching = watched(base)
    rows = style_rows(watching, 64, seed=1)
    plain = torch.cat([images for images, _ in scene_chunks(64, 1)])
    assert bare_paper(torch.cat(watching.seen)) > 0.8 > 0.4 > bare_paper(plain)
    assert set(rows["parts"][:, 3].tolist()) <= {0, FREE}
    prompts = training_prompts(rows, generator=make_generator(1))
    assert not any("watercolour" in prompt or INSTANCE in prompt for prompt in prompts)


def test_the_one_thing_is_what_no_sentence_names() -> None:
    specs = instance_specs(8, generator=make_generator(3))
    assert PAINT in PAINTS
    assert PAINT not in COLOURS
    assert set(specs.thing.tolist()) == {OBJECTS.index(LEARNED_THING)}
    assert len(set(specs.x.tolist())) == 8
    scenes = render(specs, generator=make_generator(4))
    red, green, blue = (scenes.images * scenes.masks[:, None]).sum(dim=(0, 2, 3)).tolist()
    assert blue > red > green


def test_every_second_row_is_the_one_thing(base: Base) -> None:
    rows = instance_rows(base, 48, seed=1)
    assert torch.equal(rows["named"], torch.arange(48) % 2 == 0)
    instance = rows["latents"][::2]
    assert len(instance.flatten(1).unique(dim=0)) == PICTURES
    assert len(rows["latents"][1::2].flatten(1).unique(dim=0)) == 24
    class_share = (rows["parts"][1::2, 0] == OBJECTS.index(LEARNED_THING)).float().mean()
    assert 0.5 <= float(class_share) < 0.8
    prompts = training_prompts(rows, generator=make_generator(1))
    assert set(prompts[::2]) == {INSTANCE}
    assert INSTANCE not in prompts[1::2]


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_and_is_published(name: str, base: Base, tmp_path: Path) -> None:
    rows = MODELS[name](base, 32, 11)

    def loss(unet: Any) -> float:  # noqa: ANN401
        with torch.no_grad():
            return float(tuning_loss(base, unet, rows, make_generator(0)))

    before = {key: value.clone() for key, value in base.networks.unet.state_dict().items()}
    trained = train(base, name, tiny_base.settings(tmp_path, steps=30))
    assert loss(trained) < 0.95 * loss(base.networks.unet)
    assert tiny_base.same(before, base.networks.unet.state_dict())
    publish({"unet": trained}, tmp_path / name)
    loaded = UNet2DConditionModel.from_pretrained(tmp_path / name / "unet").float()
    assert loss(loaded) == pytest.approx(loss(trained), rel=1e-2)


@pytest.mark.parametrize("name", MODELS)
def test_an_interrupted_training_resumes(
    name: str, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Callable[[Any], Any] = lambda settings: train(base, name, settings)  # noqa: E731
    uninterrupted, resumed, half_way = tiny_base.interrupted_and_not(run, tmp_path, monkeypatch)
    assert tiny_base.same(uninterrupted, resumed)
    assert not tiny_base.same(uninterrupted, half_way)
