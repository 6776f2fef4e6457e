"""The shipped prompt files: complete, balanced, and made by the command that says so."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from seedling.make_prompts import seedling_prompts, synthetic_prompts
from seedling.sentences import parse
from seedling.vocabulary import OBJECTS

PROMPTS = Path(__file__).parents[2] / "prompts"


def rows(name: str) -> list[dict[str, str]]:
    lines = (PROMPTS / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("name", "objects", "modifiers"), [("synthetic.jsonl", 40, 22), ("seedling.jsonl", 12, 25)]
)
def test_every_object_comes_with_every_modifier(name: str, objects: int, modifiers: int) -> None:
    found = rows(name)
    pairs = {(row["object"], row["modifier"]) for row in found}
    assert len(found) == len(pairs) == len({row["text"] for row in found}) == objects * modifiers
    assert len({row["object"] for row in found}) == objects
    assert len({row["modifier"] for row in found}) == modifiers
    assert {"horse", "bowl"} <= {row["object"] for row in found}
    assert "" in {row["modifier"] for row in found}
    assert all(set(row) == {"text", "object", "modifier", "group"} for row in found)
    assert all(row["group"] == row["object"] and row["object"] in row["text"] for row in found)


def test_files_are_what_the_command_writes() -> None:
    assert rows("seedling.jsonl") == seedling_prompts()
    assert rows("synthetic.jsonl") == synthetic_prompts()


def test_sentences_of_the_small_world_are_balanced() -> None:
    parts = [parse(row["text"]) for row in rows("seedling.jsonl") if row["modifier"]]
    for column, each in enumerate((24, 36, 48, 72)):
        assert set(Counter(part[column] for part in parts).values()) == {each}
    for one, other in combinations(range(1, 4), 2):
        assert set(Counter((part[one], part[other]) for part in parts).values()) == {12}
    assert {part[0] for part in parts} == set(range(len(OBJECTS)))
