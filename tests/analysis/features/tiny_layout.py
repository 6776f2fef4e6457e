"""Make a CLIPSeg and a Depth Anything of transformers' own classes with tiny random weights."""

import json
from pathlib import Path

import torch
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizerFast,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTImageProcessor,
    ViTImageProcessor,
)

from tests.analysis.features.card_files import write_card_file


def _random(network: torch.nn.Module, scale: float) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, values in network.named_parameters():
        drawn = torch.randn(values.shape, generator=generator) * scale
        values.data = drawn + (1 if "norm" in name and name.endswith("weight") else 0)
    return network.eval()


def _tokenizer(folder: Path) -> CLIPTokenizerFast:
    """Make CLIP's own tokenizer with a vocabulary of a few words and single letters."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    plain = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *plain]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: place for place, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return CLIPTokenizerFast(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        model_max_length=32,
    )


def write_segmenter(folder: Path) -> Path:
    """Write a CLIPSeg with its processor, in the layout of its repository."""
    tokenizer = _tokenizer(folder)
    config = CLIPSegConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
        },
        projection_dim=16,
        extract_layers=[0, 1, 2],
        reduce_dim=16,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
    )
    with torch.random.fork_rng():
        network = CLIPSegForImageSegmentation(config)
    _random(network, 0.3).save_pretrained(folder)
    pixels = ViTImageProcessor(size={"height": 64, "width": 64})
    CLIPSegProcessor(image_processor=pixels, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def write_depth(folder: Path) -> Path:
    """Write a Depth Anything with its preprocessing, in the layout of its repository."""
    backbone = Dinov2Config(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=24,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        head_in_channels=8,
        patch_size=14,
    )
    with torch.random.fork_rng():
        network = DepthAnythingForDepthEstimation(config)
    _random(network, 0.3).save_pretrained(folder)
    DPTImageProcessor(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    ).save_pretrained(folder)
    return folder


def write_card(folder: Path, **changes: object) -> Path:
    """Write both checkpoints and their cards; return the path of the segmenter's card."""
    folder.mkdir(parents=True, exist_ok=True)
    depth = write_card_file(folder, "layout_depth", write_depth(folder / "depth"))
    options = {"depth_card": str(depth), "least_size": 0.001, "threshold": 0.7, **changes}
    segmenter = write_segmenter(folder / "segmenter")
    return write_card_file(folder, "layout", segmenter, options=options)
