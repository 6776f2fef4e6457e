"""Test that the shipped prompt files are complete, balanced, and equal to the command's output."""

import json
from collections import Counter
from pathlib import Path

import pytest

from seedling.train.fine_tuned import INSTANCE
from seedling.world.prompts import dreambooth_prompts, seedling_prompts, synthetic_prompts
from seedling.world.sentences import FREE, parse
from seedling.world.vocabulary import COLOURS, OBJECTS, PLACES, TONES

PROMPTS = Path(__file__).parents[3] / "prompts"


def rows(name: str) -> list[dict[str, str]]:
    lines = (PROMPTS / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(("name", "modifiers"), [("synthetic.jsonl", 22), ("seedling.jsonl", 43)])
def test_every_object_comes_with_every_modifier(name: str, modifiers: int) -> None:
    prompts = rows(name)
    pairs = {(row["object"], row["modifier"]) for row in prompts}
    assert len(prompts) == len(pairs) == len({row["text"] for row in prompts}) == 40 * modifiers
    assert {row["object"] for row in prompts} == set(OBJECTS)
    assert len({row["modifier"] for row in prompts}) == modifiers
    assert {"horse", "bowl"} <= {row["object"] for row in prompts}
    assert "" in {row["modifier"] for row in prompts}
    assert all(set(row) == {"text", "object", "modifier", "group"} for row in prompts)
    assert all(row["group"] == row["object"] and row["object"] in row["text"] for row in prompts)


def test_files_are_what_the_command_writes() -> None:
    assert rows("seedling.jsonl") == seedling_prompts()
    assert rows("synthetic.jsonl") == synthetic_prompts()


def test_the_learned_thing_comes_in_every_place_and_tone() -> None:
    prompts = rows("dreambooth.jsonl")
    assert prompts == dreambooth_prompts()
    assert len(prompts) == len({row["text"] for row in prompts}) == (len(PLACES) + 1) * len(TONES)
    assert Counter(row["group"] for row in prompts) == dict.fromkeys([*PLACES, "no place"], 9)
    assert all(INSTANCE.removeprefix("a ") in row["text"] for row in prompts)


def test_sentences_of_the_small_world_are_balanced() -> None:
    parts = [parse(row["text"]) for row in rows("seedling.jsonl") if row["modifier"]]
    assert set(Counter(part[:3] for part in parts).values()) == {1}
    assert len({part[:3] for part in parts}) == len(OBJECTS) * len(COLOURS) * len(PLACES)
    tones = Counter(part[3] for part in parts)
    assert tones == {0: 400, **dict.fromkeys(range(1, len(TONES)), 160)}


def test_synthetic_prompts_name_one_part_at_a_time() -> None:
    for row in rows("synthetic.jsonl"):
        thing, colour, place, tone = parse(row["text"])
        assert OBJECTS[thing] == row["object"]
        names = [
            *([tuple(COLOURS)[colour]] if colour != FREE else []),
            *([tuple(PLACES)[place]] if place != FREE else []),
            *([tuple(TONES)[tone]] if tone else []),
        ]
        assert names == ([row["modifier"]] if row["modifier"] else [])
