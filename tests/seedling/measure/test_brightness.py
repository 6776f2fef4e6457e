"""Test the prompts of the brightness study and the brightness of their true scenes."""

import json
from pathlib import Path

import pytest

from seedling.measure.brightness import (
    brightness_prompts,
    main,
    read_objects,
    true_brightness,
)
from seedling.world.vocabulary import OBJECTS

PROMPTS = Path(__file__).parents[3] / "prompts"


def test_the_prompt_file_is_what_the_command_writes() -> None:
    lines = (PROMPTS / "brightness.jsonl").read_text(encoding="utf-8").splitlines()
    objects = read_objects(PROMPTS / "synthetic.jsonl")
    assert [json.loads(line) for line in lines] == brightness_prompts(objects)
    assert len(lines) == 4 + 3 * 40


def test_dark_scenes_are_darker_and_bright_ones_brighter() -> None:
    name = OBJECTS[0]
    texts = [f"a {tone}photo of a {name}" for tone in ("dark ", "", "bright ")]
    table = true_brightness([*texts, "something else"], count=40, seed=1)
    dark, plain, bright = (table[text] for text in texts)
    assert len(table) == 3
    assert dark["mean"] + 3 * dark["error"] < plain["mean"] < bright["mean"] - 3 * bright["error"]
    assert true_brightness(texts, count=40, seed=1) == {t: table[t] for t in texts}


def test_the_command_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "prompts.jsonl", tmp_path / "truth.json"
    source.write_text(json.dumps({"text": f"a photo of a {OBJECTS[0]}"}) + '\n{"text": "fog"}\n')
    main(["--source", str(source), "--out", str(out), "--count", "4"])
    assert list(json.loads(out.read_text())) == [f"a photo of a {OBJECTS[0]}"]
    assert "1 of 2 prompts" in capsys.readouterr().out
