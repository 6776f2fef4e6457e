"""Test that sentences name their parts and nothing else, and that parsing inverts them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from seedling.randomness import make_generator
from seedling.world import sentences
from seedling.world.sentences import FREE, draw_parts, parse, sentence
from seedling.world.vocabulary import COLOURS, EXTREMES, NATURAL_COLOURS, OBJECTS, PLACES, TONES

PARTS = st.tuples(
    st.integers(0, len(OBJECTS) - 1),
    st.integers(FREE, len(COLOURS) - 1),
    st.integers(FREE, len(PLACES) - 1),
    st.integers(0, len(TONES) - 1),
)


@settings(max_examples=500, deadline=None)
@given(parts=PARTS, variant=st.integers(0, 20))
def test_parsing_a_sentence_returns_its_parts(
    parts: tuple[int, int, int, int], variant: int
) -> None:
    text = sentence(parts, variant=variant)
    assert parse(text) == parts
    assert parse(f"  {text.upper()} ") == parts


@settings(max_examples=200, deadline=None)
@given(first=PARTS, second=PARTS, variant=st.integers(0, 20))
def test_different_parts_have_different_sentences(
    first: tuple[int, int, int, int], second: tuple[int, int, int, int], variant: int
) -> None:
    assert (sentence(first, variant=variant) == sentence(second, variant=variant)) == (
        first == second
    )


def test_black_and_white_is_a_tone_and_not_a_colour() -> None:
    horse, mono = OBJECTS.index("horse"), list(TONES).index("mono")
    assert parse("a black and white photo of a horse") == (horse, FREE, FREE, mono)
    red = parse("a black and white picture of a red horse")
    assert red == (horse, list(COLOURS).index("red"), FREE, mono)


@pytest.mark.parametrize("number", range(len(EXTREMES)))
def test_extreme_scenes_are_sentences_of_their_own(number: int) -> None:
    parts = (len(OBJECTS) + number, FREE, FREE, FREE)
    assert sentence(parts, variant=3) == EXTREMES[number]
    assert parse(EXTREMES[number]) == parts


def test_a_sentence_without_an_object_is_refused() -> None:
    with pytest.raises(ValueError, match="names none of the objects"):
        parse("a dragon in the snow")


def test_no_sentence_names_a_natural_colour() -> None:
    assert not set(COLOURS) & set(NATURAL_COLOURS)
    assert parse("a brown horse") == parse("a horse")


def test_parts_are_named_at_the_stated_rates() -> None:
    count = 20_000
    parts = draw_parts(count, generator=make_generator(4))
    extreme = parts[:, 0] >= len(OBJECTS)
    assert bool((parts[extreme][:, 1:] == FREE).all())
    scenes = parts[~extreme]

    def fits(hits: torch.Tensor, rate: float) -> bool:
        low, high = binom.interval(0.999, len(hits), rate)
        return bool(low <= int(hits.sum()) <= high)

    assert fits(extreme, sentences.EXTREME_RATE)
    assert not fits(extreme, 1.5 * sentences.EXTREME_RATE)
    assert fits(scenes[:, 1] != FREE, sentences.NAMED_RATE)
    assert fits(scenes[:, 2] != FREE, sentences.NAMED_RATE)
    assert fits(scenes[:, 3] == 0, sentences.PLAIN_RATE)
    for thing in range(len(OBJECTS)):
        assert fits(scenes[:, 0] == thing, 1 / len(OBJECTS))
