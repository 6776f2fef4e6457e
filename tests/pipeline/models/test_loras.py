"""LoRAs of a card draw the images of weights that were merged by hand, or are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.cards.adapters import Lora
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.stable_diffusion import StableDiffusion
from pipeline.settings.recipe import load_recipe
from tests.pipeline import native_calls, tiny, tiny_loras, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def folder_card(folder: Path, name: str) -> Card:
    card = load_cards()[name]
    make = tiny.checkpoint if card.family == "stable_diffusion" else tiny_pipelines.checkpoint
    return make(folder, card)


def with_loras(card: Card, *loras: tuple[Path, float]) -> Card:
    added = tuple(Lora(path=str(path), weight=weight) for path, weight in loras)
    return card.model_copy(update={"loras": added})


def images(card: Card) -> np.ndarray:
    family = StableDiffusion if card.family == "stable_diffusion" else DiffusersPipeline
    model = family(card, resolve(card), tiny.config(card), Intervention({}))
    return model.generate(native_calls.cells(card)).images


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


@pytest.mark.parametrize("spelling", ["kohya", "peft"])
@pytest.mark.parametrize("name", ["sd15", "sdxl-base"])
def test_loras_draw_what_merged_weights_draw(name: str, spelling: str, tmp_path: Path) -> None:
    card = folder_card(tmp_path / "folder", name)
    plain = images(card)
    weights, loras = {3: 0.8, 4: -0.5}, []
    for seed, weight in weights.items():
        file = tmp_path / f"{seed}.safetensors"
        tiny_loras.write(Path(card.path), file, spelling=spelling, seed=seed)
        loras.append((file, weight))
    tiny_loras.merge(Path(card.path), tmp_path / "merged", weights)
    merged = images(card.model_copy(update={"path": str(tmp_path / "merged")}))
    drawn = images(with_loras(card, *loras))
    assert worst(drawn, merged) <= 1
    assert worst(drawn, plain) > 1
    assert worst(images(with_loras(card, loras[0])), merged) > 1, "both count"


def test_the_text_encoder_alone_changes_the_image(tmp_path: Path) -> None:
    """The library's own loader loses these layers with transformers 5."""
    card = folder_card(tmp_path / "folder", "sd15")
    file = tiny_loras.write(Path(card.path), tmp_path / "all.safetensors")
    text = {name: value for name, value in load_file(file).items() if "lora_te" in name}
    save_file(text, tmp_path / "text.safetensors")
    assert worst(images(with_loras(card, (tmp_path / "text.safetensors", 1.0))), images(card)) > 1


def test_a_lora_for_another_model_is_refused(tmp_path: Path) -> None:
    first, other = (folder_card(tmp_path / name, name) for name in ("sd15", "sdxl-base"))
    file = tiny_loras.write(Path(other.path), tmp_path / "xl.safetensors")
    with pytest.raises(ModelError, match=r"another model|cannot read"):
        images(with_loras(first, (file, 1.0)))
    own = load_file(tiny_loras.write(Path(first.path), tmp_path / "own.safetensors"))
    peft = load_file(
        tiny_loras.write(Path(first.path), tmp_path / "peft.safetensors", spelling="peft")
    )
    cases = {
        "no complete LoRA": {k: v for k, v in peft.items() if not k.endswith("fc1.lora_B.weight")},
        "kind DoRA": own | {"lora_unet_x.dora_scale": torch.ones(1)},
        "is no LoRA": {"weight": torch.ones(1)},
        "another model": {
            k: v for k, v in own.items() if "lora_te" in k
        } | {"lora_te_text_model_encoder_layers_9_mlp_fc1.lora_down.weight": torch.ones(1, 32),
             "lora_te_text_model_encoder_layers_9_mlp_fc1.lora_up.weight": torch.ones(32, 1)},
    }  # fmt: skip
    for wanted, tensors in cases.items():
        save_file(tensors, tmp_path / "wrong.safetensors")
        with pytest.raises(ModelError, match=wanted):
            images(with_loras(first, (tmp_path / "wrong.safetensors", 1.0)))


def test_files_and_weights_of_loras_are_the_identity(tmp_path: Path) -> None:
    card = folder_card(tmp_path / "folder", "sd15")
    files = [tmp_path / f"{n}.safetensors" for n in (1, 2)]
    for number, file in enumerate(files):
        save_file({"lora": torch.full((1,), number)}, file)
    recipe = load_recipe("seedling-mini")

    def run_id(*loras: tuple[Path, float]) -> str:
        own = with_loras(card, *loras)
        chosen = recipe.model_copy(update={"card": own})
        return chosen.run_configs(resolve(own))[""].run_id

    ids = [
        run_id(), run_id((files[0], 1.0)), run_id((files[0], 0.5)), run_id((files[1], 1.0)),
        run_id((files[0], 1.0), (files[1], 1.0)), run_id((files[1], 1.0), (files[0], 1.0)),
    ]  # fmt: skip
    assert len(set(ids)) == len(ids)
    moved = files[0].rename(tmp_path / "moved.safetensors")
    assert run_id((moved, 0.5)) == ids[2], "the content counts, not the path"
