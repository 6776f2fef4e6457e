"""Textual inversions and clip_skip do what the library's own calls do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.cards.adapters import Embedding
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ConfigError, ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.stable_diffusion import StableDiffusion
from pipeline.runs.sampling import check_sampling
from pipeline.settings.recipe import load_recipe
from tests.pipeline import native_calls, tiny, tiny_networks, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
TEXTS = ("a <x> ball", "a <x>", "grey", "a <x> ball")


def model(card: Card, **changes: Any) -> Any:  # noqa: ANN401
    family = StableDiffusion if card.family == "stable_diffusion" else DiffusersPipeline
    return family(card, resolve(card), tiny.config(card, **changes), Intervention({}))


def vectors(width: int, count: int = 2) -> torch.Tensor:
    return 3 * torch.randn(count, width, generator=torch.Generator().manual_seed(1))


def with_word(card: Card, path: Path) -> Card:
    return card.model_copy(update={"embeddings": (Embedding(path=str(path), token="<x>"),)})


def native(
    pipe: Any,  # noqa: ANN401
    card: Card,
    texts: tuple[str, ...] | None,
    **more: Any,  # noqa: ANN401
) -> np.ndarray:
    generators = [torch.Generator().manual_seed(seed) for seed in tiny.SEEDS]
    pipe.set_progress_bar_config(disable=True)
    images = pipe(
        list(texts) if texts else None, generator=generators, num_inference_steps=3,
        height=64, width=64, guidance_scale=card.guidance_scale, **more,
    ).images  # fmt: skip
    return np.stack([np.asarray(image) for image in images])


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


def test_a_word_of_two_vectors_is_drawn_as_by_the_library(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path / "folder", load_cards()["sd15"])
    save_file({"emb_params": vectors(tiny.TEXT_WIDTH)}, tmp_path / "x.safetensors")
    own = model(with_word(card, tmp_path / "x.safetensors"))
    drawn = own.generate(tiny.batch(TEXTS)).images
    pipe = tiny.native(card, own.config)
    pipe.load_textual_inversion(vectors(tiny.TEXT_WIDTH), token="<x>")
    assert worst(drawn, native(pipe, card, TEXTS)) <= 1
    assert worst(drawn, model(card).generate(tiny.batch(TEXTS)).images) > 1
    counts = [own.truncated_tokens(text) for text in ("<x> " * 7, "<x> " * 8)]
    assert counts == [0, 2], "a word counts as its vectors"


def test_sdxl_has_vectors_for_both_encoders(tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path / "folder", load_cards()["sdxl-base"])
    both = {
        "clip_l": vectors(tiny.TEXT_WIDTH), "clip_g": vectors(tiny_networks.SECOND_WIDTH)
    }  # fmt: skip
    save_file(both, tmp_path / "x.safetensors")
    drawn = model(with_word(card, tmp_path / "x.safetensors")).generate(tiny.batch(TEXTS)).images
    save_file({"clip_l": both["clip_l"]}, tmp_path / "l.safetensors")
    first = model(with_word(card, tmp_path / "l.safetensors")).generate(tiny.batch(TEXTS)).images
    plain = model(card).generate(tiny.batch(TEXTS)).images
    assert worst(drawn, first) > 0
    assert worst(first, plain) > 0
    assert worst(drawn[2], plain[2]) == 0, "a text without the word stays as it was"


def test_an_embedding_for_another_model_is_refused(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path / "folder", load_cards()["sd15"])
    for tensors in (
        {"emb_params": vectors(48)}, {"a": vectors(32), "b": vectors(32)}, {"clip_g": vectors(48)}
    ):  # fmt: skip
        save_file(tensors, tmp_path / "x.safetensors")
        with pytest.raises(ModelError, match="no textual inversion for this model"):
            model(with_word(card, tmp_path / "x.safetensors"))


def test_clip_skip_draws_what_an_encoder_without_its_last_layer_draws(tmp_path: Path) -> None:
    """For the prompt: diffusers encodes the negative prompt with all layers."""
    card = tiny.checkpoint(tmp_path / "folder", load_cards()["sd15"])
    drawn = model(card, clip_skip=1).generate(tiny.batch()).images
    pipe = tiny.native(card, tiny.config(card))
    device = torch.device("cpu")
    guided = {"num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    _, negative = pipe.encode_prompt(list(tiny.PROMPTS), device, **guided)
    pipe.text_encoder.encoder.layers = pipe.text_encoder.encoder.layers[:-1]
    positive, _ = pipe.encode_prompt(list(tiny.PROMPTS), device, **guided)
    embeds = {"prompt_embeds": positive, "negative_prompt_embeds": negative}
    assert worst(drawn, native(pipe, card, None, **embeds)) <= 1
    assert worst(drawn, model(card).generate(tiny.batch()).images) > 1


def test_clip_skip_of_sdxl_is_the_librarys(tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path / "folder", load_cards()["sdxl-base"])
    skipping = model(card, clip_skip=1)
    drawn = skipping.generate(native_calls.cells(card)).images
    assert worst(drawn, native(skipping.pipe, card, tiny.PROMPTS, clip_skip=1)) <= 1
    assert worst(drawn, model(card).generate(native_calls.cells(card)).images) > 1


def test_clip_skip_is_refused_where_nothing_reads_it() -> None:
    recipe = load_recipe("seedling-mini")
    for name in ("flux-dev", "pixart-sigma", "glide"):
        card = load_cards()[name].model_copy(update={"clip_skip": 1})
        own = recipe.model_copy(update={"card": card, "ranking": None})
        with pytest.raises(ConfigError, match="does not take it; remove clip_skip"):
            check_sampling(own, card)


def test_words_and_skipped_layers_are_the_identity(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path / "folder", load_cards()["sd15"])
    save_file({"emb_params": vectors(tiny.TEXT_WIDTH)}, tmp_path / "x.safetensors")
    first = with_word(card, tmp_path / "x.safetensors")
    second = first.model_copy(
        update={"embeddings": (Embedding(path=first.embeddings[0].path, token="<y>"),)}
    )
    third = card.model_copy(update={"clip_skip": 1})
    recipe = load_recipe("seedling-mini")
    ids = {
        recipe.model_copy(update={"card": own}).run_configs(resolve(own))[""].run_id
        for own in (card, first, second, third)
    }
    assert len(ids) == 4
