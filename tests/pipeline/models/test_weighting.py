"""Weights in prompts and long prompts are encoded by compel, cell by cell."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.batch import Batch
from pipeline.cards.adapters import Embedding
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ConfigError, ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.stable_diffusion import StableDiffusion
from pipeline.prompts.prompt import Prompt
from pipeline.runs.sampling import check_sampling
from pipeline.settings.recipe import Sampling, load_recipe
from pipeline.settings.weighting import with_version
from tests.pipeline import tiny, tiny_pipelines

compel = pytest.importorskip("compel", reason="the extra `weighting` is not installed")

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
COMPEL = {"prompt_weighting": with_version("compel")}
WEIGHTED = ("a (red)1.6 ball", "a tree++", "a (red)0.3 ball", "grey")
PLAIN = ("a red ball", "a tree", "a red ball", "grey")


def tiny_card(name: str, folder: Path) -> Card:
    card = load_cards()[name]
    make = tiny if card.family == "stable_diffusion" else tiny_pipelines
    return make.checkpoint(folder, card)


def model(card: Card, **changes: Any) -> Any:  # noqa: ANN401
    family: Any = StableDiffusion if card.family == "stable_diffusion" else DiffusersPipeline
    return family(card, resolve(card), tiny.config(card, **changes), Intervention({}))


def cells(texts: tuple[str, ...], negative: str | None = None) -> Batch:
    prompts = tuple(Prompt(text, negative=negative) for text in texts)
    return Batch(prompts, tiny.SEEDS[: len(texts)])


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


@pytest.mark.parametrize("name", ["sd15", "sdxl-base"])
def test_without_weights_nothing_changes_and_with_weights_it_does(
    name: str, tmp_path: Path
) -> None:
    card = tiny_card(name, tmp_path / "folder")
    plain, own = model(card), model(card, **COMPEL)
    for negative in (None, "blurry"):
        drawn = own.generate(cells(PLAIN, negative)).images
        assert worst(drawn, plain.generate(cells(PLAIN, negative)).images) <= 1
    weighted, others = (own.generate(cells(texts)).images for texts in (WEIGHTED, PLAIN))
    changed = [worst(a, b) > 1 for a, b in zip(weighted, others, strict=True)]
    assert changed == [True, True, True, False]
    alone = own.generate(cells(WEIGHTED[:1])).images
    assert worst(alone, weighted[:1]) <= 1, "an image does not depend on its batch"


@pytest.mark.parametrize("name", ["sd15", "sdxl-base"])
def test_it_is_what_compel_gives_the_library(name: str, tmp_path: Path) -> None:
    card = tiny_card(name, tmp_path / "folder")
    own = model(card, **COMPEL)
    drawn = own.generate(cells(WEIGHTED[:1], "grey")).images
    wrapper = compel.CompelForSD if name == "sd15" else compel.CompelForSDXL
    encoded = wrapper(own.pipe)(WEIGHTED[0], negative_prompt="grey")
    pooled = {} if name == "sd15" else {
        "pooled_prompt_embeds": encoded.pooled_embeds,
        "negative_pooled_prompt_embeds": encoded.negative_pooled_embeds,
    }  # fmt: skip
    native = own.pipe(
        prompt_embeds=encoded.embeds, negative_prompt_embeds=encoded.negative_embeds, **pooled,
        generator=[torch.Generator().manual_seed(7)], num_inference_steps=3, height=64, width=64,
        guidance_scale=card.guidance_scale,
    ).images  # fmt: skip
    assert worst(drawn, np.stack([np.asarray(image) for image in native])) <= 1


def test_long_prompts_are_read_in_chunks(tmp_path: Path) -> None:
    card = tiny_card("sd15", tmp_path / "folder")
    texts = ("a b c d e f g h i j k l m n o p", "a b c d e f g h i j k l m n o z")
    one, two = model(card, **COMPEL), model(card, prompt_chunks=2, **COMPEL)
    assert [one.truncated_tokens(text) for text in (*texts, "a b")] == [2, 2, 0]
    assert two.truncated_tokens(texts[0]) == 0
    same, other = one.generate(cells(texts)).images, two.generate(cells(texts)).images
    start = cells(texts[:1]).prompts * 2
    ends = two.generate(Batch(start, (7, 7))).images
    assert worst(ends[0], ends[1]) == 0
    assert worst(other[1], two.generate(Batch(start, (7, 7))).images[1]) > 1, "the end is read"
    assert worst(same[1], one.generate(Batch(start, (7, 7))).images[1]) == 0, "and here it is not"


def test_a_word_of_the_user_is_known_to_compel(tmp_path: Path) -> None:
    card = tiny_card("sd15", tmp_path / "folder")
    save_file({"emb_params": torch.ones(2, tiny.TEXT_WIDTH)}, tmp_path / "x.safetensors")
    word = Embedding(path=str(tmp_path / "x.safetensors"), token="<x>")
    card = card.model_copy(update={"embeddings": (word,)})
    batch = cells(("a <x> ball", "a ball"))
    drawn = model(card, **COMPEL).generate(batch).images
    assert worst(drawn, model(card).generate(batch).images) <= 1


def test_settings_that_nothing_reads_are_refused() -> None:
    recipe = load_recipe("seedling-mini")
    for name, fields, wanted in (
        ("flux-dev", {"prompt_weighting": "compel"}, "for SDXL only"),
        ("seedling-inpaint", {"prompt_weighting": "compel"}, "for SDXL only"),
        ("seedling-mini", {"prompt_chunks": 2}, "nothing reads it without prompt_weighting"),
        ("seedling-mini", {"prompt_weighting": "compel", "clip_skip": 1}, "exclude each other"),
    ):
        own = recipe.model_copy(update={"sampling": Sampling(**fields)})
        with pytest.raises(ConfigError, match=wanted):
            check_sampling(own, load_cards()[name])


def test_the_library_and_its_version_are_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny_card("sd15", tmp_path / "folder")
    recipe = load_recipe("seedling-mini").model_copy(update={"card": card})
    files = resolve(card)

    def run_id(**fields: Any) -> str:  # noqa: ANN401
        own = recipe.model_copy(update={"sampling": Sampling(**fields)})
        return own.run_configs(files)[""].run_id

    weighted = {"prompt_weighting": "compel"}
    ids = [run_id(), run_id(**weighted), run_id(prompt_chunks=2, **weighted)]
    monkeypatch.setattr("importlib.metadata.version", lambda _: "9.1.0")
    assert len({*ids, run_id(**weighted)}) == 4
    with pytest.raises(ModelError, match="the run was begun with compel-"):
        model(card, **COMPEL)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'goldenseed\[weighting\]'"):
        run_id(**weighted)
