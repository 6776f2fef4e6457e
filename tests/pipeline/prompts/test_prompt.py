"""A prompt keeps its identity for ever, and is kept as it was given or refused."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PromptError
from pipeline.prompts.prompt import MAX_CHARACTERS, Prompt, normalise, set_of
from tests.pipeline.prompt_texts import texts

SHA = "ab" * 32


def test_ids_and_sets_never_change() -> None:
    found = [(p.id, p.set) for p in map(Prompt, ["a red horse", "ein Hund", "לוח שחמט", "🐎"])]
    assert found == [
        ("0c99ec89a0d9323b", 1),
        ("d943fb1dd5784325", 3),
        ("e9762cf4d50462ca", 1),
        ("835614c8de7b134f", 2),
    ]
    assert Prompt("a red horse", image=SHA).id == "6bd04b8203759901"


def test_the_id_hangs_on_text_and_conditions_alone() -> None:
    plain = Prompt("a red horse")
    assert Prompt("  a red horse\n", object="horse", modifier="red", group="g").id == plain.id
    ids = {
        plain.id,
        Prompt("a red Horse").id,
        Prompt("a red horse", image=SHA).id,
        Prompt("a red horse", mask=SHA).id,
        Prompt("a red horse", image=SHA, mask=SHA).id,
    }
    assert len(ids) == 5


def test_composed_and_decomposed_text_is_one_prompt_with_its_own_characters() -> None:
    composed, decomposed = Prompt("caf\u00e9"), Prompt("cafe\u0301")
    assert composed.id == decomposed.id
    assert composed.text != decomposed.text


def test_sets_are_40_40_20() -> None:
    n = 20_000
    counts = Counter(Prompt(f"prompt {i}").set for i in range(n))
    for number, share in ((1, 0.4), (2, 0.4), (3, 0.2)):
        four_sigma = 4 * (share * (1 - share) / n) ** 0.5
        assert counts[number] / n == pytest.approx(share, abs=four_sigma)


def test_the_set_is_independent_of_the_order_of_ids() -> None:
    ids = sorted(Prompt(f"prompt {i}").id for i in range(10_000))
    first_half = sum(set_of(name) == 1 for name in ids[:5000])
    assert abs(first_half / 5000 - 0.4) < 4 * (0.4 * 0.6 / 5000) ** 0.5


def test_object_modifier_and_normalised_text_make_groups() -> None:
    assert Prompt("a red horse", object="Horse").group == Prompt("a  horse", object="horse").group
    assert Prompt("A Red\tHorse").group == Prompt("a red  horse").group == "a red horse"
    assert Prompt("a red horse").group != Prompt("a horse").group
    assert Prompt("a red horse", object="horse", group="photo 7").group == "photo 7"


@given(texts)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty prompt"),
        (" \t\n\u3000", "empty prompt"),
        ("a\0b", r"U\+0000 at character 2 of the text"),
        ("\x1b[31mred", r"U\+001B at character 1"),
        ("a\rb", r"U\+000D"),
        ("a\x85", r"U\+0085"),
        ("half \ud800", r"U\+D800"),
        ("x" * (MAX_CHARACTERS + 1), "10,001 characters; wanted at most 10,000"),
    ],
)
def test_unusable_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        Prompt(text)


@pytest.mark.parametrize(
    "text",
    [
        "x" * MAX_CHARACTERS,
        "حصان أحمر",
        "\u200f\u05e1\u05d5\u05e1",
        "👩🏽\u200d🚀 on a 🐎",
        "e\u0301\u0323",
        "a\tb\nc",
        '"quoted"',
    ],
)
def test_unusual_but_honest_texts_are_kept_as_given(text: str) -> None:
    assert Prompt(text).text == text


@pytest.mark.parametrize("value", ["", "photo.png", "AB" * 32, "ab" * 31])
def test_a_condition_is_a_sha256(value: str) -> None:
    with pytest.raises(PromptError, match="wanted the sha256 of its file"):
        Prompt("a horse", mask=value)


def test_labels_are_checked_for_control_characters_too() -> None:
    with pytest.raises(PromptError, match=r"U\+001B at character 1 of the object"):
        Prompt("a horse", object="\x1b[2J")


@given(texts, st.none() | texts, st.none() | texts, st.none() | st.just(SHA))
def test_json_gives_the_prompt_back(
    text: str, label: str | None, modifier: str | None, image: str | None
) -> None:
    prompt = Prompt(text, object=label, modifier=modifier, image=image)
    line = prompt.to_json()
    assert "\n" not in line
    assert Prompt.from_json(line) == prompt
