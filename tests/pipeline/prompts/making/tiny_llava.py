"""A LLaVA 1.5 of the real classes with tiny random weights."""

import string
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SIDE, PATCH = 28, 14


def checkpoint(folder: Path) -> Path:
    """Save a tiny checkpoint in transformers' layout."""
    tokenizer = _tokenizer()
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        image_size=SIDE, patch_size=PATCH, projection_dim=16,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default", vision_feature_layer=-2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlavaForConditionalGeneration(config)
        for weights in model.parameters():  # so small a net would say one word only
            weights.data.normal_(0, 0.5)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    model.save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)
    return folder


def _processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    size = {"height": SIDE, "width": SIDE}
    pictures = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=size)
    return LlavaProcessor(
        pictures, tokenizer, patch_size=PATCH, vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )  # fmt: skip


def _tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that spells."""
    words = ["<pad>", "<s>", "</s>", "<unk>", "<image>", " ", *string.ascii_letters, *":.,\n"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", extra_special_tokens={"image_token": "<image>"}, padding_side="left",
    )  # fmt: skip


def card(folder: Path, path: Path) -> Path:
    """Write a card that names the checkpoint."""
    path.write_text(
        f"path: {folder}\ndtype: float32\ngpu: false\nlicence: none\n"
        'template: "USER: <image>\\n{instruction} ASSISTANT:"\ninstruction: Describe it.\n'
        "max_new_tokens: 12\nbatch_size: 4\n"
    )
    return path
