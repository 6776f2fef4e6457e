"""A plan counts the tokens that will be cut off, as the loaded model counts them."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.cards.card import Card, find_card, load_cards
from pipeline.cards.card_parts import PipelineStage
from pipeline.drawing.planned_texts import PlannedEncoders, cut_texts
from pipeline.errors import PromptError
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import read_prompts
from pipeline.runs.checkpoint_limits import local_folders

LONG = ("blurry " * 40).strip()
SHORT = Prompt("a red ball on a table")


@pytest.fixture
def two_encoders(tmp_path: Path) -> Card:
    """A card whose pipeline has two tokenizers, the second with twice the length."""
    folder = tmp_path / "two"
    shutil.copytree(
        find_card("seedling-mini").path, folder, ignore=shutil.ignore_patterns("*.safetensors")
    )
    shutil.copytree(folder / "tokenizer", folder / "tokenizer_2")
    config = folder / "tokenizer_2" / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_max_length": 48}))
    index = json.loads((folder / "model_index.json").read_text())
    index |= {f"{name}_2": index[name] for name in ("tokenizer", "text_encoder")}
    (folder / "model_index.json").write_text(json.dumps(index))
    return find_card("seedling-mini").model_copy(update={"path": str(folder)})


def test_a_negative_prompt_counts_as_a_prompt_does() -> None:
    mini = find_card("seedling-mini")
    assert cut_texts(mini, [SHORT], "blurry", refuse=True) == []
    assert cut_texts(mini, [SHORT], LONG, refuse=False) == [LONG]
    with pytest.raises(PromptError, match="the negative prompt is longer than the text encoder"):
        cut_texts(mini, [SHORT], LONG, refuse=True)
    with pytest.raises(PromptError, match=r"1 prompt is longer"):
        cut_texts(mini, [SHORT, Prompt("a cup", negative=LONG)], "", refuse=True)


def test_each_encoder_counts(two_encoders: Card) -> None:
    text = "a ball " * 20
    cut = PlannedEncoders(local_folders(two_encoders)).tokens_cut(text)
    assert cut["tokenizer"] - cut["tokenizer_2"] == 24 > 0
    with pytest.raises(PromptError, match=r"tokenizer cuts off .*, tokenizer_2 reads it all"):
        cut_texts(two_encoders, [Prompt("a ball " * 8)], "", refuse=True)


def test_the_card_says_how_much_a_stage_reads(two_encoders: Card) -> None:
    stage = PipelineStage(
        pipeline="StableDiffusionPipeline", inputs={"prompt": "text"}, tokenizer="tokenizer",
        max_tokens=60,
    )  # fmt: skip
    card = two_encoders.model_copy(update={"stages": (stage,)})
    cut = PlannedEncoders(local_folders(card)).tokens_cut("a ball " * 40)
    assert cut["tokenizer"] + 60 == cut["tokenizer_2"] + 48


def test_an_encoder_that_is_not_loaded_cuts_nothing(two_encoders: Card) -> None:
    index = Path(two_encoders.path) / "model_index.json"
    fields = json.loads(index.read_text())
    index.write_text(json.dumps(fields | {"text_encoder": [None, None]}))
    assert list(PlannedEncoders(local_folders(two_encoders)).tokens_cut(LONG)) == ["tokenizer_2"]


def test_nothing_is_known_of_a_model_that_is_not_here() -> None:
    assert cut_texts(find_card("sd15"), [Prompt("a ball " * 200)], LONG, refuse=True) == []


def test_shipped_prompts_fit_the_shipped_models() -> None:
    """So a plan need not load their tokenizers."""
    prompts = [p for file in Path("prompts").glob("*.jsonl") for p in read_prompts(file).prompts]
    encoders = PlannedEncoders(local_folders(load_cards()["seedling"]))
    longest = sorted(prompts, key=lambda prompt: -len(prompt.text.encode()))[:200]
    assert max(encoders.truncated_tokens(prompt.text) for prompt in longest) == 0
