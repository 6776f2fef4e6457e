"""Test our vocabulary: any text can be encoded, and the world's words are single tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from seedling.networks.tokenizer import VOCABULARY_LIMIT, new_tokenizer, world_words
from seedling.publish import FOLDER

TOKENIZER = new_tokenizer()
SHIPPED = CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_gives_24_known_tokens(text: str) -> None:
    ids = SHIPPED(text, padding="max_length", truncation=True).input_ids
    assert len(ids) == 24
    assert ids[0] == SHIPPED.bos_token_id
    assert ids[-1] == SHIPPED.eos_token_id
    assert all(0 <= token < len(SHIPPED) for token in ids)


@settings(max_examples=100, deadline=None)
@given(letter=st.characters(categories=["L", "N", "S", "P"]))
def test_no_letter_is_unknown(letter: str) -> None:
    tokens = SHIPPED(letter).input_ids[1:-1]
    assert tokens
    assert SHIPPED.unk_token_id not in tokens


@pytest.mark.parametrize("word", sorted(world_words()))
def test_words_of_the_prompts_are_one_token(word: str) -> None:
    assert len(TOKENIZER(word).input_ids) == 3


def test_an_unknown_word_is_several_tokens() -> None:
    assert len(TOKENIZER("xylophone").input_ids) > 3


def test_vocabulary_is_small_and_the_shipped_one() -> None:
    assert len(TOKENIZER) <= VOCABULARY_LIMIT
    assert TOKENIZER.get_vocab() == SHIPPED.get_vocab()
    text = "A  dark photo of an ORANGE bowl, émigré 日本 🎉"
    assert TOKENIZER(text).input_ids == SHIPPED(text).input_ids
    assert SHIPPED.model_max_length == 24
