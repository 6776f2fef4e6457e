"""The sentence on how much the seed decides follows a fixed rule."""

from typing import Any

import pytest

from analysis.seed_sentence import seed_sentence


def row(name: str, share: float, p: float | None, *, bounded: bool = True) -> dict[str, Any]:
    bounds = (share - 0.05, share + 0.05) if bounded else (None, None)
    fields = {"measure": name, "seed": share, "seed_low": bounds[0], "seed_high": bounds[1]}
    return {**fields, "seed_null_high": 0.02, "seed_p": p, "draws": 2000}


def test_the_largest_share_among_those_that_are_shown_is_named() -> None:
    strong, weak = row("brightness", 0.10, 0.001), row("contrast", 0.03, 0.001)
    unclear = row("sky", 0.40, 0.30, bounded=False)
    assert seed_sentence([weak, unclear, strong]) == (
        "The seed decides 10.0% [5.0%, 15.0%] of the variance of brightness, the most of 3 "
        "measures; if seeds had no effect, it would be below 2.0% (p = 0.001 +- 0.0007)."
    )


def test_nothing_shown_says_what_the_seed_decides_at_most() -> None:
    rows = [row("brightness", 0.01, 0.2), row("contrast", -0.01, 0.8), row("hue", 0.5, None)]
    assert seed_sentence(rows) == (
        "It is not shown that the seed decides anything: its largest share is 1.0% [-4.0%, 6.0%] "
        "of the variance of brightness, and if seeds had no effect, it would be below 2.0% "
        "(p = 0.2 +- 0.009); the smallest of 2 p-values, adjusted by Holm, is 0.4; by the "
        "intervals it decides at most 6.0% of any measure."
    )


@pytest.mark.parametrize(("count", "shown"), [(1, True), (2, False)])
def test_p_is_adjusted_for_the_number_of_measures(count: int, *, shown: bool) -> None:
    rows = [row("a", 0.1, 0.03), *(row("b", 0.0, 0.9) for _ in range(count - 1))]
    assert seed_sentence(rows).startswith("The seed decides") == shown


def test_without_a_null_nothing_can_be_said() -> None:
    assert "cannot be said" in seed_sentence([row("a", 0.1, None)])


@pytest.mark.parametrize(("share", "shown"), [(0.04, False), (0.06, True)])
def test_an_interval_that_holds_zero_shows_nothing(share: float, *, shown: bool) -> None:
    assert seed_sentence([row("a", share, 0.0005)]).startswith("The seed decides") == shown
