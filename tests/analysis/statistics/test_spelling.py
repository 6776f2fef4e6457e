"""Edit distances against their recursive definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.spelling import edit_distance, likeness
from analysis.studies.inpainting.mimicry import ImageWords, mimicry

LETTERS = st.text("abcA ", max_size=9)


def recursive(a: str, b: str) -> int:
    """Edit distance by its definition."""
    if not (a and b):
        return len(a) + len(b)
    if a[0] == b[0]:
        return recursive(a[1:], b[1:])
    return 1 + min(recursive(a[1:], b), recursive(a, b[1:]), recursive(a[1:], b[1:]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(LETTERS.map(lambda t: t[:6]), LETTERS.map(lambda t: t[:6]))
def test_edit_distance_is_that_of_the_definition(a: str, b: str) -> None:
    assert edit_distance(a, b) == recursive(a, b) == edit_distance(b, a)
    hamming = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
    assert edit_distance(a, b) <= hamming


def test_hamming_would_be_wrong() -> None:
    assert edit_distance("horse", "ahorse") == 1  # compared by position, all six letters differ


def test_likeness_takes_the_closest_word_and_no_short_ones() -> None:
    assert likeness(["HORSE"], "a red horse") == 1.0
    assert likeness(["on", "a"], "a horse on grass") == 0.0
    assert likeness(["HORS"], "a red horse") == pytest.approx(0.8)


def test_few_images_or_prompts_say_nothing() -> None:
    rng = np.random.default_rng(0)
    assert mimicry([ImageWords(("horse",), "a horse", "horse")] * 30, rng, draws=9) is None
    few = [ImageWords(("a",), f"text {i}", str(i)) for i in range(5)]
    assert mimicry(few, rng, draws=9) is None
