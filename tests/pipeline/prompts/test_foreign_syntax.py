"""Instructions to other programs are found in prompts; ordinary English is left alone."""

import pytest

from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.prompts.foreign_syntax import foreign_syntax
from pipeline.prompts.prompt_sets import read_prompts

FOREIGN = [
    "a (word:1.4) b", "a (two words: 1.2)", "a (d850:1.2) camera", "a (red:.5) cat",
    "a (b (c:1.1) d)", "((masterpiece))", "(((masterpiece))), a cat", "a [word] b", "[a|b]",
    "a [cat|dog] on grass", "[from:to:0.5]", "[to:10]", "[from::0.5]", "<lora:name:0.8>",
    "<hypernet:x:1>", "a <cat-toy> on a table", "# comment", "  // comment", "a cat BREAK a dog",
    "a cat AND a dog", "a cat :1.2 AND a dog :0.3", "embedding:name", "a cat, embedding:easy_1, x",
    "{a|b}", "{2$$a|b}", "a {object}", "__wildcard__", "a __animals/cats__ b", "a red++ horse",
    "(red horse)++", "(red horse)1.3", "(red horse)-", "blurry--, x", "cat::2 dog",
    "a cat --ar 16:9", "a cat --v 5", '("a", "b").blend(0.5, 0.5)', '("a", "b").and()',
    r"a \(red\) cat",
]  # fmt: skip
ENGLISH = [
    "a horse (red)", "a horse (red, brown) at 10:30", "a clock (10:30) on a wall", "(16:9) screen",
    "Psalm (23:4)", "C++ code on a screen", "a sign that says STOP AND GO", "#1 dad",
    "the words 'KEEP CALM AND CARRY ON'", 'a sign that says "BREAK"', "a COFFEE BREAK", "a+b",
    "a cat -- a big one -- sits", "a cat--black and white", "1 + 1 = 2", "salt and pepper",
    "5 < 6 and 7 > 3", "a heart <3", "a smiley :) and ;)", "a 50% sale, $5", "mother-in-law",
    "photo (c) 2020", "(note: five cats)", "a cat, 4k, f/1.8, 16:9", "A vs. B: the game",
    "snake_case_name", "Vitamin B+ and A- grade", "a Disney+ logo", "(i.e. a cat)", "R&D", "a--b",
]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_an_instruction_is_found(text: str) -> None:
    assert "elsewhere" in foreign_syntax(text)


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_left_alone(text: str) -> None:
    assert foreign_syntax(text) == ""


def test_the_shipped_prompts_are_english() -> None:
    files = sorted((PROJECT_ROOT / "prompts").glob("*.jsonl"))
    texts = [prompt.text for file in files for prompt in read_prompts(file).prompts]
    assert len(texts) > 2000
    assert not [text for text in texts if foreign_syntax(text)]
