"""A prompt's own negative prompt is drawn as by the library, and refused where nothing reads it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.batch import Batch
from pipeline.cards.card import load_cards, resolve
from pipeline.errors import ConfigError, PromptError
from pipeline.interventions.base import Intervention
from pipeline.models.base import refuse_unread_negatives
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.stable_diffusion import StableDiffusion
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import read_prompts
from pipeline.settings.recipe import load_recipe
from pipeline.settings.unread import check_negatives_are_read
from tests.pipeline import native_calls, tiny, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
NEGATIVES = ("blurry", "grey", "blurry", "a ball")


def cells(negatives: tuple[str | None, ...] = NEGATIVES) -> Batch:
    pairs = zip(tiny.PROMPTS, negatives, strict=True)
    return Batch(tuple(Prompt(text, negative=negative) for text, negative in pairs), tiny.SEEDS)


@pytest.mark.parametrize("name", ["sd15", "sdxl-base"])
def test_each_cell_has_its_own_negative_prompt(name: str, tmp_path: Path) -> None:
    card = load_cards()[name]
    plain = card.family == "stable_diffusion"
    card = (tiny if plain else tiny_pipelines).checkpoint(tmp_path / "folder", card)
    family: Any = StableDiffusion if plain else DiffusersPipeline
    model = family(card, resolve(card), tiny.config(card), Intervention({}))
    drawn = model.generate(cells()).images.astype(int)
    pipe = tiny.native(card, model.config) if plain else model.pipe
    native = native_calls.native(card, [pipe], cells(), negative_prompt=list(NEGATIVES))
    assert abs(drawn - np.stack([np.asarray(image) for image in native])).max() <= 1
    assert abs(drawn - model.generate(cells((None,) * 4)).images).max() > 1
    long = cells(("a" * 60, None, None, None)) if plain else cells(("a" * 60, *NEGATIVES[1:]))
    cut = model.generate(long).truncated_tokens
    assert cut[0] > cut[1:].max(initial=0)


def test_the_runs_negative_prompt_stands_for_prompts_without_one(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path / "folder", load_cards()["sd15"])
    config = tiny.config(card, negative_prompt="grey")
    model = StableDiffusion(card, resolve(card), config, Intervention({}))
    mixed = model.generate(cells(("blurry", None, None, "grey"))).images
    spelled = model.generate(cells(("blurry", "grey", "grey", "grey"))).images
    assert (mixed == spelled).all()


def test_prompts_with_and_without_are_refused_where_a_batch_would_matter(tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path / "folder", load_cards()["sdxl-base"])
    mixed = cells(("blurry", None, None, None)).prompts
    model = DiffusersPipeline(card, resolve(card), tiny.config(card), Intervention({}))
    with pytest.raises(PromptError, match="1 prompts have a negative prompt and 3 have none"):
        model.check_prompts(mixed)
    model.check_prompts(cells().prompts)
    config = tiny.config(card, negative_prompt="grey")
    DiffusersPipeline(card, resolve(card), config, Intervention({})).check_prompts(mixed)


def test_negative_prompts_that_nothing_reads_are_refused() -> None:
    prompts = cells().prompts
    recipe = load_recipe("seedling-mini")
    check_negatives_are_read(recipe, prompts)
    for name, wanted in (("sdxl-turbo", "switches guidance off"), ("flux-dev", "takes none")):
        own = recipe.model_copy(update={"card": load_cards()[name]})
        with pytest.raises(ConfigError, match=f"prompts have negative prompts: .*{wanted}"):
            check_negatives_are_read(own, prompts)
        check_negatives_are_read(own, cells((None,) * 4).prompts)
    model: Any = object()
    with pytest.raises(PromptError, match="the family inpainting does not read"):
        refuse_unread_negatives(model, prompts, load_cards()["seedling-inpaint"])


def test_files_name_them_and_ids_of_other_prompts_stay(tmp_path: Path) -> None:
    assert Prompt("a red horse").id == "0c99ec89a0d9323b"
    assert Prompt("a red horse", negative=" ").id == "0c99ec89a0d9323b"
    assert "negative" not in json.loads(Prompt("a").to_json())
    lines = {
        "a.jsonl": '{"text": "a red horse", "negative": "blurry"}\n',
        "b.jsonl": '{"prompt": "a red horse", "negative_prompt": "blurry"}\n',
        "c.csv": "prompt,negative\na red horse,blurry\n",
    }
    found = []
    for name, text in lines.items():
        (tmp_path / name).write_text(text)
        found += read_prompts(tmp_path / name).prompts
    assert {prompt.id for prompt in found} == {Prompt("a red horse", negative="blurry").id}
    assert found[0].id != Prompt("a red horse").id
    assert found[0].group == Prompt("a red horse").group
    assert Prompt.from_json(found[0].to_json()) == found[0]
