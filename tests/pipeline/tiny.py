"""Checkpoints of the real classes with tiny random weights, for the tests of model families."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.interventions.base import Intervention
from pipeline.models.stable_diffusion import StableDiffusion
from pipeline.prompts.prompt_sets import Prompt
from pipeline.settings.config import InterventionConfig, RunConfig

SIZE = 64
TEXT_WIDTH = 32
TEXT_LENGTH = 16
PROMPTS = ("a red ball", "a blue tree in the snow", "a red ball", "grey")
SEEDS = (7, 7, 123, 2**32 - 1)


def checkpoint(folder: Path, card: Card) -> Card:
    """Save a tiny checkpoint of a card's shape and give the card that names it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _pipe(folder, card).save_pretrained(folder)
    changes = {"path": str(folder), "repo": "", "variant": "", "gpu": False, "dtype": "float32"}
    return card.model_copy(update=changes)


def _pipe(folder: Path, card: Card) -> StableDiffusionPipeline:
    tokenizer = spelling_tokenizer(folder / "words")
    end = len(tokenizer) - 1
    vae = AutoencoderKL(
        latent_channels=card.latent_channels, block_out_channels=(8, 8, 8, 8), norm_num_groups=2,
        layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, mid_block_add_attention=False,
    )  # fmt: skip
    # Random decoders give nearly grey images, in which no difference would show.
    vae.decoder.conv_out.weight.data *= 5
    return StableDiffusionPipeline(
        vae=vae,
        unet=UNet2DConditionModel(
            sample_size=SIZE // 8, in_channels=card.latent_channels,
            out_channels=card.latent_channels, block_out_channels=(16, 32), layers_per_block=1,
            norm_num_groups=8, cross_attention_dim=TEXT_WIDTH, attention_head_dim=2,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(
            vocab_size=end + 1, hidden_size=TEXT_WIDTH, intermediate_size=TEXT_WIDTH,
            num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=TEXT_LENGTH,
            bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
        )),
        tokenizer=tokenizer,
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
            set_alpha_to_one=False, steps_offset=1,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def spelling_tokenizer(folder: Path) -> CLIPTokenizer:
    """A tokenizer that spells."""
    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = [str(folder / name) for name in ("vocab.json", "merges.txt")]
    return CLIPTokenizer(*files, model_max_length=TEXT_LENGTH)


def config(card: Card, **changes: Any) -> RunConfig:  # noqa: ANN401 - any field's value
    """Three steps of a card."""
    fields: dict[str, Any] = {
        "card": card.name,
        "card_sha256": "0" * 64,
        "dtype": card.dtype,
        "height": SIZE,
        "width": SIZE,
        "scheduler": card.scheduler,
        "scheduler_config": card.scheduler_config,
        "num_inference_steps": 3,
        "guidance_scale": card.guidance_scale,
        "batch_size": len(SEEDS),
        "intervention": InterventionConfig(),
    }
    return RunConfig(**(fields | changes))


def model(card: Card, settings: RunConfig, intervention: Intervention | None = None) -> Any:  # noqa: ANN401
    """The loaded family."""
    return StableDiffusion(card, resolve(card), settings, intervention or Intervention({}))


def batch(prompts: tuple[str, ...] = PROMPTS, seeds: tuple[int, ...] = SEEDS) -> Batch:
    """Cells."""
    return Batch(tuple(Prompt(text) for text in prompts), seeds)


def native(card: Card, settings: RunConfig) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Diffusers' own pipeline over the same files, with nothing of ours."""
    import diffusers

    pipe = StableDiffusionPipeline.from_pretrained(
        str(resolve(card).folder), dtype=getattr(torch, settings.dtype), safety_checker=None
    )
    kind = getattr(diffusers, settings.scheduler)
    pipe.scheduler = kind.from_config(pipe.scheduler.config, **settings.scheduler_config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def native_images(card: Card, settings: RunConfig, cells: Batch, **call: Any) -> list[Image.Image]:  # noqa: ANN401
    """What `pipe(prompt=[...], generator=[...])` gives for the cells."""
    generators = [torch.Generator().manual_seed(seed) for seed in cells.seeds]
    arguments: dict[str, Any] = {
        "generator": generators,
        "num_inference_steps": settings.num_inference_steps,
        "guidance_scale": settings.guidance_scale,
        "eta": settings.eta,
        "height": settings.height,
        "width": settings.width,
        "output_type": "pil",
    }
    prompts = [prompt.text for prompt in cells.prompts]
    images: list[Image.Image] = native(card, settings)(prompt=prompts, **(arguments | call)).images
    return images


CARDS = tuple(n for n, card in load_cards().items() if card.family == "stable_diffusion")
