"""The procedural world: exact masks and centres, stated rates, no randomness but the caller's."""

import time
from dataclasses import replace

import pytest
import torch
from scipy.stats import binom
from torch import Tensor
from torch.nn import functional

from seedling import world
from seedling.painting import brightness
from seedling.randomness import make_generator
from seedling.sentences import FREE, draw_parts, parse, sentence
from seedling.vocabulary import COLOURS, OBJECTS, PLACES, TONES

EVERY_OBJECT = torch.tensor([[thing, 0, place, 0] for thing in range(12) for place in range(6)])


def plain_specs(*, colour: int) -> world.Specs:
    """Every object in every place, with nothing that covers it."""
    parts = EVERY_OBJECT.clone()
    parts[:, 1] = colour
    specs = world.draw_specs(parts, generator=make_generator(3))
    never = torch.zeros(len(parts), dtype=torch.bool)
    return replace(specs, grey=never, frame=never, word=never)


def grown(masks: Tensor, pixels: int) -> Tensor:
    """Masks with a margin of some pixels added."""
    wide = functional.max_pool2d(masks[:, None].float(), 2 * pixels + 1, 1, pixels)
    return wide[:, 0] > 0


def explained(masks: Tensor, changed: Tensor) -> bool:
    """Whether what changed is the mask, up to its soft edge, which is widest at sharp tips."""
    core = ~grown(~masks, 2)
    return bool(changed[core].all()) and not bool((changed & ~grown(masks, 6)).any())


def test_mask_is_where_the_object_is_painted() -> None:
    red = world.render(plain_specs(colour=0), generator=make_generator(5))
    blue = world.render(plain_specs(colour=4), generator=make_generator(5))
    changed = (red.images - blue.images).abs().amax(1) > 0.05
    assert torch.equal(red.masks, blue.masks)
    assert explained(red.masks, changed)
    assert not explained(red.masks.roll(10, dims=2), changed)


def test_centre_lies_in_the_mask_and_size_bounds_it() -> None:
    specs = plain_specs(colour=1)
    scenes = world.render(specs, generator=make_generator(6))
    x, y = (world.centres(specs) * world.SIZE).long().unbind(1)
    rows = torch.arange(len(x))
    assert bool(scenes.masks[rows, y, x].all())
    corner = torch.zeros_like(x)
    assert not bool(scenes.masks[rows, corner, corner].any())
    for mask, size in zip(scenes.masks, specs.size, strict=True):
        wide = int(mask.any(0).sum())
        assert wide <= 2 * 1.25 * float(size) * world.SIZE
        assert wide >= 0.8 * float(size) * world.SIZE


def test_frames_and_words_cover_the_object() -> None:
    specs = plain_specs(colour=0)
    always = torch.ones(len(specs.x), dtype=torch.bool)
    framed = world.render(replace(specs, frame=always), generator=make_generator(5))
    assert not bool(framed.masks[:, :2].any())
    assert not bool(framed.masks[:, :, -2:].any())
    open_ = world.render(specs, generator=make_generator(5))
    assert not bool((framed.masks & ~open_.masks).any())


def test_same_seed_same_scenes_whatever_the_global_stream() -> None:
    def draw(seed: int) -> Tensor:
        generator = make_generator(seed)
        return world.draw_scenes(draw_parts(32, generator=generator), generator=generator).images

    before = torch.get_rng_state()
    first = draw(1)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)
    assert torch.equal(first, draw(1))
    assert not torch.equal(first, draw(2))
    torch.set_rng_state(before)


def test_images_are_pictures() -> None:
    scenes = world.draw_scenes(EVERY_OBJECT, generator=make_generator(0))
    assert scenes.images.shape == (72, 3, 64, 64)
    assert scenes.images.dtype == torch.float32
    assert float(scenes.images.min()) >= 0
    assert float(scenes.images.max()) <= 1
    assert bool(scenes.images.isfinite().all())


@pytest.mark.parametrize(
    ("flag", "rate"),
    [
        ("grey", world.GREY_RATE),
        ("frame", world.FRAME_RATE),
        ("large_sky", world.LARGE_SKY_RATE),
        ("word", world.WORD_RATE),
        ("distractor", world.DISTRACTOR_RATE),
    ],
)
def test_unasked_scenes_come_at_the_stated_rates(flag: str, rate: float) -> None:
    count = 20_000
    generator = make_generator(9)
    specs = world.draw_specs(draw_parts(count, generator=generator), generator=generator)
    hits = int(getattr(specs, flag).sum())

    def fits(stated: float) -> bool:
        low, high = binom.interval(0.999, count, stated)
        return bool(low <= hits <= high)

    assert fits(rate)
    assert not fits(1.5 * rate)


def test_what_is_named_holds_and_the_rest_varies() -> None:
    parts = torch.tensor([parse("a horse in the snow")] * 400)
    specs = world.draw_specs(parts, generator=make_generator(2))
    assert set(specs.thing.tolist()) == {OBJECTS.index("horse")}
    assert set(specs.place.tolist()) == {list(PLACES).index("snow")}
    assert set(specs.colour.tolist()) == set(range(len(COLOURS)))
    assert set(specs.tone.tolist()) == {0}
    assert float(specs.x.std()) > 0.1


def test_tones_look_as_they_are_called() -> None:
    means = {}
    for tone, name in enumerate(TONES):
        parts = EVERY_OBJECT.clone()
        parts[:, 3] = tone
        images = world.draw_scenes(parts, generator=make_generator(4)).images
        means[name] = float(brightness(images).mean())
        if name == "mono":
            open_ = images[:, :, 20:40, 20:40]
            assert float((open_[:, 0] - open_[:, 2]).abs().median()) == 0
    assert means["dark"] < 0.5 * means["plain"] < means["plain"] < means["bright"] - 0.1


def test_sentences_are_read_back_as_they_were_meant() -> None:
    for thing in range(len(OBJECTS)):
        for colour in range(FREE, len(COLOURS)):
            for place in range(FREE, len(PLACES)):
                tone, variant = (thing + colour + place) % 4, (thing + 2 * colour + place) % 6
                parts = (thing, colour, place, tone)
                assert parse(sentence(parts, variant=variant)) == parts


def test_a_sentence_without_an_object_is_refused() -> None:
    with pytest.raises(ValueError, match="names none of the objects"):
        parse("a dragon in the snow")


def test_scenes_are_drawn_fast_enough_to_train_on() -> None:
    generator = make_generator(0)
    parts = draw_parts(128, generator=generator)
    world.draw_scenes(parts, generator=generator)
    best = 0.0
    # Time of our own process: a busy machine does not fail this.
    for _ in range(5):
        started = time.process_time()
        world.draw_scenes(parts, generator=generator)
        best = max(best, len(parts) / (time.process_time() - started))
    assert best >= 300
