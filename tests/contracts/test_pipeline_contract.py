"""What the family of described pipelines promises, over every card of it, with tiny weights.

Contract only: real classes, random weights. Every card equals the library's own call with one
generator per seed.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLPipeline

from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.drawing.long_texts import refuse_long
from pipeline.errors import PromptError
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.settings.config import RunConfig
from tests.pipeline import native_calls, tiny, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
# Its adapter pipeline calls a method of its own that it has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The decode_latents method:FutureWarning"),
]

CARDS = [name for name, card in load_cards().items() if card.family == "diffusers_pipeline"]


def settings(card: Card, **changes: Any) -> RunConfig:  # noqa: ANN401 - any field's value
    return tiny.config(card, **changes)


def load(card: Card, config: RunConfig, intervention: Intervention | None = None) -> Any:  # noqa: ANN401
    return DiffusersPipeline(card, resolve(card), config, intervention or Intervention({}))


@pytest.fixture(scope="module", params=CARDS)
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Card, Any]:
    folder = tmp_path_factory.mktemp(request.param)
    card = tiny_pipelines.checkpoint(folder, load_cards()[request.param])
    return card, load(card, settings(card))


def worst(ours: np.ndarray, others: Any) -> int:  # noqa: ANN401
    """Largest difference of a pixel."""
    theirs = np.stack([np.asarray(image) for image in others])
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


def test_a_card_keeps_its_promises(loaded: tuple[Card, Any]) -> None:
    card, model = loaded
    batch = native_calls.cells(card)
    drawn = model.generate(batch)
    assert drawn.images.shape == (4, tiny.SIZE, tiny.SIZE, 3)
    assert drawn.images.dtype == np.uint8
    assert drawn.finite.all()
    assert not drawn.flagged.any()
    assert type(model.pipe.scheduler).__name__ == card.scheduler
    native = native_calls.native(card, model.pipes, batch)
    assert worst(drawn.images, native) <= 1
    shared = torch.Generator().manual_seed(batch.seeds[0])
    if not card.name.startswith("ip-adapter"):
        other = native_calls.native(card, model.pipes, batch, generator=shared)
        assert worst(drawn.images, other) > 1, "one generator for the batch would be noticed"


@pytest.mark.parametrize("name", ["flux-dev", "sd35-large", "sdxl-base"])
def test_each_text_encoder_counts(name: str, tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path, load_cards()[name])
    model = load(card, settings(card))
    text = "a" * 50
    clip = 50 + 2 - tiny.TEXT_LENGTH
    t5 = {"flux-dev": "tokenizer_2", "sd35-large": "tokenizer_3"}.get(name)
    cut = model.tokens_cut(text)
    assert {key: count for key, count in cut.items() if key != t5} == {
        key: clip for key in cut if key != t5
    }
    assert cut.get(t5, 0) == 0, "T5 reads it all"
    assert len(cut) == 2 + (name == "sd35-large")
    assert model.truncated_tokens(text) == clip
    drawn = model.generate(tiny.batch((text, "a", "a", "a")))
    assert drawn.truncated_tokens.tolist() == [clip, 0, 0, 0]
    second = "reads it all" if t5 == "tokenizer_2" else f"cuts off {clip}"
    with pytest.raises(PromptError, match=f"tokenizer cuts off {clip}, tokenizer_2 {second}"):
        refuse_long(model, ["a", text], "")
    refuse_long(model, ["a"], "b")
    with pytest.raises(PromptError, match="the negative prompt is longer"):
        refuse_long(model, ["a"], text)


def test_an_encoder_that_is_not_loaded_does_not_count(tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path, load_cards()["sd35-large"])
    model = load(card, settings(card))
    model.pipe.text_encoder_2 = None
    assert list(model.tokens_cut("a" * 50)) == ["tokenizer", "tokenizer_3"]


def test_sdxl_turbo_draws_one_trailing_step_without_guidance(tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path, load_cards()["sdxl-turbo"])
    assert (card.num_inference_steps, card.guidance_scale) == (1, 0)
    model = load(card, settings(card, num_inference_steps=card.num_inference_steps))
    assert type(model.pipe.scheduler) is EulerAncestralDiscreteScheduler
    assert model.pipe.scheduler.config.timestep_spacing == "trailing"
    batch = native_calls.cells(card)
    drawn = model.generate(batch).images
    assert worst(drawn, turbo(tmp_path, batch, "trailing")) <= 1
    assert worst(drawn, turbo(tmp_path, batch, "leading")) > 1


def turbo(folder: Path, batch: Batch, spacing: str) -> Any:  # noqa: ANN401
    """One step without guidance by a pipeline of the library's own, freshly loaded."""
    pipe = StableDiffusionXLPipeline.from_pretrained(str(folder), add_watermarker=False)
    pipe.scheduler = EulerAncestralDiscreteScheduler.from_config(
        pipe.scheduler.config, timestep_spacing=spacing
    )
    return pipe(
        [prompt.text for prompt in batch.prompts],
        generator=[torch.Generator().manual_seed(seed) for seed in batch.seeds],
        num_inference_steps=1,
        guidance_scale=0.0,
        height=tiny.SIZE,
        width=tiny.SIZE,
    ).images


def test_an_image_depends_on_its_own_cell_only(loaded: tuple[Card, Any]) -> None:
    card, model = loaded
    images = model.generate(native_calls.cells(card)).images
    with torch.random.fork_rng():
        torch.manual_seed(999)
        state = torch.get_rng_state()
        assert worst(images, model.generate(native_calls.cells(card)).images) == 0
        assert torch.equal(state, torch.get_rng_state()), "no global random numbers"
    turned = model.generate(native_calls.cells(card, (3, 2, 1, 0))).images[::-1]
    assert worst(images, turned) <= 1
    alone = model.generate(native_calls.cells(card, (2,))).images
    assert worst(images[2:3], alone) <= 1
    assert worst(images[:1], images[2:3]) > 1, "another seed gives another image"
    if native_calls.unconditional(card):
        assert worst(images[:1], images[1:2]) == 0
    else:
        assert worst(images[:1], images[1:2]) > 0, "another prompt gives another image"


def test_a_condition_is_its_own_cells(loaded: tuple[Card, Any]) -> None:
    card, model = loaded
    batch = native_calls.cells(card)
    images = model.generate(batch).images
    for name, keys in (("image", native_calls.IMAGES), ("mask", native_calls.MASKS)):
        if name not in card.conditions:
            continue
        first, second = (batch.condition_images[key] for key in keys)
        one, two = keys
        swapped = {**batch.condition_images, one: second, two: first}
        other = model.generate(Batch(batch.prompts, batch.seeds, swapped)).images
        assert all(worst(images[i : i + 1], other[i : i + 1]) > 0 for i in range(4))
        only = {**batch.condition_images, two: first}
        other = model.generate(Batch(batch.prompts, batch.seeds, only)).images
        assert worst(images[:1], other[:1]) == 0, "another cell's image changes nothing"
        assert worst(images, other) > 0


@pytest.mark.parametrize(("name", "tokens"), [("z-image-turbo", 504), ("flux2-klein", 500)])
def test_what_a_chat_template_adds_is_not_counted_as_text(
    name: str, tokens: int, tmp_path: Path
) -> None:
    """The real tokenizer has one token for "user", "assistant", a line break and two of them."""
    card = tiny_pipelines.checkpoint(tmp_path, load_cards()[name])
    model = load(card, settings(card))
    added = model.pipe.tokenizer.apply_chat_template(
        [{"role": "user", "content": ""}], tokenize=False, add_generation_prompt=True,
        enable_thinking=name == "z-image-turbo",
    )  # fmt: skip
    words = re.findall(r"<[^>]+>|\w+|\n+", added)
    assert 512 - len(words) == tokens == card.stages[0].max_tokens
    assert model.truncated_tokens("a" * tokens) == 0
    assert model.truncated_tokens("a" * (tokens + 3)) == 3


def test_z_images_noise_is_float32_whatever_the_networks_are(tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path, load_cards()["z-image-turbo"])
    model = load(card, settings(card, dtype="bfloat16"))
    seen = []
    call = type(model.pipe).prepare_latents

    def watched(*args: Any) -> Any:  # noqa: ANN401
        seen.append(args[-1])
        return call(model.pipe, *args)

    model.pipe.prepare_latents = watched
    model.generate(native_calls.cells(card))
    own = torch.randn((1, *model.latents_shape), generator=torch.Generator().manual_seed(7))
    assert seen[0].dtype == torch.float32
    assert torch.equal(seen[0][:1], own)
