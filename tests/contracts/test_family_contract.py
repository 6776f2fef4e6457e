"""What every family with a file of its own promises, over each of its cards, with tiny weights.

The families `stable_diffusion` and `diffusers_pipeline` have suites of their own
(test_model_contract.py, test_pipeline_contract.py); here are all others, and the question whether
any family or card is in no suite at all. What each equals (the library's call, or its method
written a second time) is held in tests/pipeline.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models import MODELS, base
from pipeline.noise import draw_noise
from pipeline.registry import load
from tests.contracts.words import unlisted
from tests.pipeline import tiny, tiny_instantid, tiny_pipelines
from tests.pipeline.models import test_glide, test_inpainting, test_text_to_video

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def inpainting(channels: int, latents: int = 4) -> Callable[[Path], Card]:
    def build(folder: Path) -> Card:
        card = test_inpainting.build(folder, channels, latents)
        return card.model_copy(update={"height": tiny.SIZE, "width": tiny.SIZE})

    return build


def own_unet(folder: Path) -> Card:
    """The seedling's: a UNet of 33 channels beside a checkpoint whose own one has 16."""
    test_inpainting.build(folder / "seedling", 16, 16)
    test_inpainting.build(folder / "own", 33, 16)
    card = load_cards()["seedling-inpaint"]
    parts = {"unet": card.parts["unet"].model_copy(update={"path": str(folder / "own")})}
    return card.model_copy(update={"path": str(folder / "seedling"), "parts": parts})


HERE = "tests/contracts/test_family_contract.py"
BUILDERS: Mapping[str, Callable[[Path], Card]] = {
    "sd2-inpainting": inpainting(9),
    "sd2-base-inpainting": inpainting(4),
    "sd2-inpainting, 16 latent channels": inpainting(33, 16),
    "sd2-base-inpainting, 16 latent channels": inpainting(16, 16),
    "seedling-inpaint": own_unet,
    "text-to-video-ms": test_text_to_video.build,
    "glide": test_glide.build,
    "instantid": tiny_instantid.checkpoint,
}
"""Card -> what saves its tiny checkpoint."""
CELLS: Mapping[str, Callable[[], Batch]] = {
    "inpainting": test_inpainting.batch,
    "instantid": tiny_instantid.cells,
}
"""Family -> four cells with its conditions, where it has any."""
ELSEWHERE = {
    "stable_diffusion": set(tiny.CARDS),
    "diffusers_pipeline": set(tiny_pipelines.BUILDERS),
}
"""Family -> the cards of its own suite."""


@pytest.fixture(scope="module", params=BUILDERS)
def card(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Card:
    return BUILDERS[request.param](tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def model(card: Card) -> Any:  # noqa: ANN401
    return made(card)


@pytest.fixture(scope="module")
def drawn(card: Card, model: Any) -> Drawn:  # noqa: ANN401
    """The four cells, drawn together."""
    found: Drawn = model.generate(cells(card))
    return found


def made(card: Card, **changes: Any) -> Any:  # noqa: ANN401
    size = {"height": card.height, "width": card.width, **changes}
    family = load(MODELS, card.family, "model family")
    return family(card, resolve(card), tiny.config(card, **size), Intervention({}))


def cells(card: Card) -> Batch:
    return CELLS.get(card.family, tiny.batch)()


def some(batch: Batch, rows: list[int]) -> Batch:
    prompts, seeds = ([column[i] for i in rows] for column in (batch.prompts, batch.seeds))
    return dataclasses.replace(batch, prompts=tuple(prompts), seeds=tuple(seeds))


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


def test_every_card_of_every_family_has_a_suite() -> None:
    here = {name: card.family for name, card in load_cards().items() if name in BUILDERS}
    table = f"BUILDERS ({HERE}), the function that saves a tiny checkpoint of one of its cards"
    wrong = unlisted("model family", MODELS, {*here.values(), *ELSEWHERE}, table=table)
    assert not wrong, wrong
    suites = {name for cards in ELSEWHERE.values() for name in cards} | set(here)
    lacking = sorted(set(load_cards()) - suites)
    assert not lacking, (
        f"card {', '.join(lacking)} of pipeline/models/cards.yaml has no tiny checkpoint: add it "
        f"to CARDS in tests/pipeline/tiny.py (stable_diffusion), to BUILDERS in "
        f"tests/pipeline/tiny_pipelines.py (diffusers_pipeline), or to BUILDERS in {HERE}"
    )


def test_finite_uint8_images_of_the_cards_size(card: Card, model: Any, drawn: Drawn) -> None:  # noqa: ANN401
    assert drawn.images.shape == (4, card.height, card.width, 3)
    assert drawn.images.dtype == np.uint8
    assert drawn.finite.all()
    assert not drawn.flagged.any()
    assert [int(cut) for cut in drawn.truncated_tokens] == [
        model.truncated_tokens(prompt.text) for prompt in cells(card).prompts
    ]


def test_an_image_depends_on_its_own_cell_only(card: Card, model: Any, drawn: Drawn) -> None:  # noqa: ANN401
    batch, images = cells(card), drawn.images
    with torch.random.fork_rng():
        torch.manual_seed(999)
        state = torch.get_rng_state()
        assert worst(images, model.generate(batch).images) == 0
        assert torch.equal(state, torch.get_rng_state()), "no global random numbers"
    assert worst(images, model.generate(some(batch, [3, 2, 1, 0])).images[::-1]) <= 1
    assert worst(images[2:3], model.generate(some(batch, [2])).images) <= 1
    assert worst(images[:1], images[2:3]) > 1, "another seed gives another image"
    assert worst(images[:1], images[1:2]) > 0, "another prompt gives another image"


def test_the_callers_noise_stays(card: Card, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    kept = []

    def draw(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        noise, generators = draw_noise(*arguments, **options)
        kept.append((noise, noise.clone()))
        return noise, generators

    monkeypatch.setattr(base, "draw_noise", draw)
    model.generate(some(cells(card), [0]))
    assert kept
    assert all(torch.equal(now, before) for now, before in kept)


def test_tokens_beyond_the_limit_are_counted(model: Any) -> None:  # noqa: ANN401
    assert model.truncated_tokens("a") == 0
    assert model.truncated_tokens("a" * 50) == 52 - tiny.TEXT_LENGTH


def test_compiled_is_refused(card: Card) -> None:
    with pytest.raises(ModelError, match="compiled"):
        made(card, compiled=True)
