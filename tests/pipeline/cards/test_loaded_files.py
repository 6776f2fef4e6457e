"""Each file that a model is loaded from counts in the card's hash."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from pipeline.cards import card as cards
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.cards.card_parts import Part
from pipeline.cards.loaded_files import network_files, pipeline_files
from pipeline.errors import ModelError
from tests.pipeline import tiny

WEIGHTS = "diffusion_pytorch_model.safetensors"
VARIANT = "diffusion_pytorch_model.fp16.safetensors"

SHIPPED = {
    "seedling-mini": "fecf46c39924663def2b7eaa88deb5fcb15f03196f46c72c539ce8648db9e9e7",
    "seedling-mini-b": "6b1c0e9e85058a7a491e79daab8a8f144215a02d68dbd1600b791286e84048b4",
    "seedling-mini-c": "b7c0774b4537a00558b93a90ba9fb4f3658c01c10ccfadd317de791c6a8ac97b",
    "seedling": "b26fa7fc29b4ecf162aa5a07723818b066bd9a0afa60f67db7f7e58c5204f997",
    "seedling-turbo": "87320e464e7ceace371badd163bfbaa77cf7b02df70d4a84f5611ffb0c448a63",
    "seedling-inpaint": "7bf48117ecbba27b6fc76454bbf0eccf488de6718c5addf7dc1fd08aac389eb1",
    "seedling-control": "a02573b2d66e59553c7ca7fb62e3d822bcf7c9d27593dfaaa2eb24b07662c6fe",
}
"""Hashes of the shipped cards whose weights are in the project; runs are named by them."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """A tiny checkpoint whose UNet and text encoder have fp16 weights, and whose VAE has none."""
    card = tiny.checkpoint(tmp_path_factory.mktemp("model"), load_cards()["seedling-mini"])
    folder = Path(card.path)
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / VARIANT)
    (folder / "text_encoder/model.safetensors").rename(
        folder / "text_encoder/model.fp16.safetensors"
    )
    return card.model_copy(update={"variant": "fp16"})


@pytest.fixture
def card(saved: Card, tmp_path: Path) -> Card:
    """A copy of the checkpoint."""
    shutil.copytree(saved.path, tmp_path / "model")
    return saved.model_copy(update={"path": str(tmp_path / "model")})


def nudge(path: Path) -> None:
    """Change one bias."""
    tensors = load_file(path)
    name = next(name for name in sorted(tensors) if name.endswith("bias"))
    tensors[name] = tensors[name] + 1
    save_file(tensors, path, {"format": "pt"})


def shard(folder: Path, stem: str, index: str, shards: tuple[str, str]) -> None:
    """Split weights into two shards with an index, and remove the single file."""
    tensors = load_file(folder / stem)
    names = sorted(tensors)
    halves = {shards[0]: names[: len(names) // 2], shards[1]: names[len(names) // 2 :]}
    for file, half in halves.items():
        save_file({name: tensors[name] for name in half}, folder / file, {"format": "pt"})
    weight_map = {name: file for file, half in halves.items() for name in half}
    size = sum(tensor.nbytes for tensor in tensors.values())
    index_text = json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map})
    (folder / index).write_text(index_text)
    (folder / stem).unlink()


INDEX = "diffusion_pytorch_model.safetensors.index.fp16.json"
SHARDS = (
    "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
    "diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
)


def test_a_changed_vae_without_the_variant_is_another_model(card: Card) -> None:
    before = resolve(card).sha256
    assert resolve(card).sha256 == before
    nudge(Path(card.path) / "vae" / WEIGHTS)
    assert resolve(card).sha256 != before


def test_a_changed_shard_is_another_model(card: Card) -> None:
    shard(Path(card.path) / "unet", VARIANT, INDEX, SHARDS)
    tiny.model(card, tiny.config(card))  # diffusers loads such a folder
    before = resolve(card).sha256
    for file in SHARDS:
        nudge(Path(card.path) / "unet" / file)
        after = resolve(card).sha256
        assert after != before
        before = after


@pytest.mark.parametrize(("name", "sha256"), SHIPPED.items())
def test_the_hash_of_a_shipped_card_stays(name: str, sha256: str) -> None:
    assert resolve(load_cards()[name]).sha256 == sha256


def test_the_hash_stays_where_each_network_has_the_variant(card: Card) -> None:
    (Path(card.path) / "vae" / WEIGHTS).rename(Path(card.path) / "vae" / VARIANT)
    patterns = ["*.json", "*.txt", "*.model", "*.fp16.safetensors"]
    assert resolve(card).sha256 == cards.files_sha256(Path(card.path), patterns)


def test_what_is_not_loaded_does_not_count(card: Card) -> None:
    before = resolve(card).sha256
    shutil.copy(Path(card.path) / "unet" / VARIANT, Path(card.path) / "unet" / WEIGHTS)
    (Path(card.path) / "vae/README.md").write_text("about the model")
    assert resolve(card).sha256 == before


def test_two_kinds_of_weights_are_refused(card: Card) -> None:
    unet = Path(card.path) / "unet"
    shutil.copy(unet / VARIANT, unet / "copy")
    shard(unet, VARIANT, INDEX, SHARDS)
    (unet / "copy").rename(unet / VARIANT)
    with pytest.raises(ModelError, match=r"ambiguous.* or .*; keep one"):
        resolve(card)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("unet/adapter_config.json", "{}", "merge the adapter"),
        ("unet/config.json", '{"transformers_weights": "other.safetensors"}', "remove it"),
        ("unet/config.json", "{", "is missing or damaged"),
        ("unet/LICENSE", "", "a name without a dot"),
        ("vae/diffusion_pytorch_model.safetensors.index.json", "{}", "not an index of shards"),
        (
            "vae/diffusion_pytorch_model.safetensors.index.json",
            '{"weight_map": {"a": "../b"}}',
            "is not a file beside it",
        ),
    ],
)
def test_a_folder_that_leads_elsewhere(card: Card, name: str, text: str, message: str) -> None:
    if "index" in name:
        (Path(card.path) / "vae" / WEIGHTS).unlink()
    (Path(card.path) / name).write_text(text)
    with pytest.raises(ModelError, match=message):
        resolve(card)


def test_a_component_in_the_root_counts(card: Card) -> None:
    folder = Path(card.path)
    shutil.rmtree(folder / "vae")
    (folder / WEIGHTS).write_bytes(b"1")
    (folder / "config.json").write_text("{}")
    assert {folder / WEIGHTS, folder / "config.json"} <= pipeline_files(folder, "fp16")


def test_the_parts_of_a_card(tmp_path: Path) -> None:
    for name in (*SHARDS, "config.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": dict(zip("ab", SHARDS, strict=True))}))
    part = Part(use="component", variant="fp16")
    assert {path.name for path in part.files(tmp_path)} == {INDEX, *SHARDS, "config.json"}
    (tmp_path / "image_encoder").mkdir()
    (tmp_path / "image_encoder/model.safetensors").write_text("")
    adapter = Part(use="ip_adapter", variant="fp16", file="a.safetensors")
    assert [path.name for path in adapter.files(tmp_path)] == ["model.safetensors"]
    (tmp_path / "image_encoder/model.safetensors").rename(tmp_path / "image_encoder/model.bin")
    with pytest.raises(ModelError, match="pickle only"):
        adapter.files(tmp_path)


def test_the_hub_is_asked_for_weights_without_a_variant(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def fetch(checkpoint: Any, patterns: list[str], **_: Any) -> tuple[Path, str]:  # noqa: ANN401
        del checkpoint
        asked.append(list(patterns))
        return Path(card.path), "f" * 40

    monkeypatch.setattr("pipeline.cards.card.files.fetch", fetch)
    resolve(card.model_copy(update={"path": "", "repo": "someone/model"}))
    assert "*.fp16-*.safetensors" in asked[0]
    assert "vae/*.safetensors" in asked[1]
    assert "unet/*.safetensors" not in asked[1]


def test_all_weights_count_without_a_variant(card: Card) -> None:
    assert {path.name for path in network_files(Path(card.path) / "unet", "")} == {
        "config.json",
        VARIANT,
    }
