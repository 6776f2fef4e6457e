"""What saves memory does not change which image is drawn, and is refused where it cannot work."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.cards.card import Card, load_cards, resolve
from pipeline.cards.memory import Memory
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.memory import place
from pipeline.models.stable_diffusion import StableDiffusion
from pipeline.settings.recipe import load_recipe
from tests.pipeline import native_calls, tiny, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def model(card: Card) -> Any:  # noqa: ANN401
    family = StableDiffusion if card.family == "stable_diffusion" else DiffusersPipeline
    return family(card, resolve(card), tiny.config(card), Intervention({}))


def saving(card: Card, **fields: Any) -> Card:  # noqa: ANN401
    return card.model_copy(update={"memory": Memory(**fields)})


@pytest.mark.parametrize("name", ["sd15", "sdxl-base"])
def test_parts_of_images_are_decoded_and_all_are_finite(name: str, tmp_path: Path) -> None:
    card = load_cards()[name]
    make = tiny.checkpoint if card.family == "stable_diffusion" else tiny_pipelines.checkpoint
    card = make(tmp_path / "folder", card)
    whole = model(card).generate(native_calls.cells(card)).images.astype(int)
    sliced = model(saving(card, vae_slicing=True)).generate(native_calls.cells(card))
    assert abs(sliced.images - whole).max() <= 1
    for fields in ({"vae_tiling": True}, {"vae_tiling": True, "vae_slicing": True}):
        tiled_model = model(saving(card, **fields))
        vae = tiled_model.pipe.vae
        vae.tile_latent_min_size, vae.tile_sample_min_size = 4, 32
        tiled = tiled_model.generate(native_calls.cells(card))
        assert tiled.finite.tolist() == [True] * 4
        assert abs(tiled.images - whole).max() > 1, "tiles change pixels"
        assert np.abs(tiled.images - whole).mean() < 40, "and show the same image"


def test_one_bad_item_is_found_among_tiles(tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path / "folder", load_cards()["sdxl-base"])
    for fields in ({"vae_tiling": True}, {"vae_tiling": True, "vae_slicing": True}):
        one = model(saving(card, **fields))
        one.pipe.vae.tile_latent_min_size, one.pipe.vae.tile_sample_min_size = 4, 32
        latents = torch.ones(4, 4, 8, 8)
        latents[2, :, 0, 0] = torch.nan
        one.pipe.vae.decode(latents)
        assert one.finite.of(4).tolist() == [True, True, False, True]


class Recorder:
    """A pipeline that notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def to(self, device: torch.device) -> "Recorder":
        self.asked.append(("to", device))
        return self

    def enable_model_cpu_offload(self, device: torch.device) -> None:
        self.asked.append(("model", device))

    def enable_sequential_cpu_offload(self, device: torch.device) -> None:
        self.asked.append(("sequential", device))


def test_offloading_is_asked_of_the_library_or_refused() -> None:
    card, gpu = load_cards()["sd15"], torch.device("cuda")
    for offload, wanted in (("none", "to"), ("model", "model"), ("sequential", "sequential")):
        pipe = Recorder()
        place(pipe, saving(card, offload=offload), gpu)
        assert pipe.asked == [(wanted, gpu)]
    with pytest.raises(ModelError, match="the card draws on the CPU"):
        place(Recorder(), saving(card, offload="model"), torch.device("cpu"))
    with pytest.raises(ModelError, match="no autoencoder that decodes in parts"):
        place(Recorder(), saving(card, vae_tiling=True), gpu)


def test_what_changes_pixels_is_the_identity_and_offloading_is_not(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path / "folder", load_cards()["sd15"])
    recipe = load_recipe("seedling-mini")

    def run_id(own: Card) -> str:
        return recipe.model_copy(update={"card": own}).run_configs(resolve(own))[""].run_id

    ids = [
        run_id(card), run_id(saving(card, vae_slicing=True)), run_id(saving(card, vae_tiling=True))
    ]  # fmt: skip
    assert len(set(ids)) == 3
    assert run_id(saving(card, offload="model")) == ids[0]
