"""Fine-tunes: what they see, what it is called, and that they learn and go on."""

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
    ask,
    instance_rows,
    instance_specs,
    style_rows,
    train,
    tuning_loss,
)
from seedling.world.scenes import render
from seedling.world.sentences import FREE
from seedling.world.vocabulary import COLOURS, LEARNED_THING, OBJECTS, PAINTS
from tests.seedling import tiny_base


@dataclass(frozen=True)
class Watched(Base):
    """A seedling that keeps the pictures it is given to encode."""

    seen: list[Tensor] = field(default_factory=list)

    def encode(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return super().encode(images)


def watched(base: Base) -> Watched:
    return Watched(**{one.name: getattr(base, one.name) for one in fields(base)})


def bare_paper(images: Tensor) -> float:
    """Share of pictures whose border is white, as a watercolour's is."""
    border = torch.cat([images[:, :, 0], images[:, :, -1]], dim=2)
    return float((border.mean(dim=(1, 2)) > 0.9).float().mean())


def test_the_style_is_in_the_pictures_and_not_in_the_words(base: Base) -> None:
    seeing = watched(base)
    rows = style_rows(seeing, 64, seed=1)
    plain = torch.cat([images for images, _ in scene_chunks(64, 1)])
    assert bare_paper(torch.cat(seeing.seen)) > 0.8 > 0.4 > bare_paper(plain)
    assert set(rows["parts"][:, 3].tolist()) <= {0, FREE}
    prompts = ask(rows, generator=make_generator(1))
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
    own = rows["latents"][::2]
    assert len(own.flatten(1).unique(dim=0)) == PICTURES
    assert len(rows["latents"][1::2].flatten(1).unique(dim=0)) == 24
    class_share = (rows["parts"][1::2, 0] == OBJECTS.index(LEARNED_THING)).float().mean()
    assert 0.5 <= float(class_share) < 0.8
    prompts = ask(rows, generator=make_generator(1))
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
    again = UNet2DConditionModel.from_pretrained(tmp_path / name / "unet").float()
    assert loss(again) == pytest.approx(loss(trained), rel=1e-2)


@pytest.mark.parametrize("name", MODELS)
def test_it_goes_on_where_it_was_interrupted(
    name: str, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Callable[[Any], Any] = lambda settings: train(base, name, settings)  # noqa: E731
    whole, again, half_way = tiny_base.interrupted_and_not(run, tmp_path, monkeypatch)
    assert tiny_base.same(whole, again)
    assert not tiny_base.same(whole, half_way)
