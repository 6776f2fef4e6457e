"""Cards: each entry of `models/cards.yaml` describes one checkpoint.

A card pins what is loaded and how it is sampled. Checkpoints are safetensors folders in the
diffusers layout; no remote code is ever run. This module does not import torch, so plans stay
cheap.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipeline import models
from pipeline.cards import adapters
from pipeline.cards.adapters import Embedding, Lora
from pipeline.cards.card_parts import Part, PipelineStage
from pipeline.cards.checkpoints import PROJECT_ROOT, Checkpoint, fetch
from pipeline.cards.facts.tensors import refuse_pickle
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.cards.json_files import components
from pipeline.cards.known_hashes import known_sha256
from pipeline.cards.loaded_files import components_without, download_patterns, pipeline_sha256
from pipeline.cards.memory import Memory
from pipeline.cards.other_tools import our_field
from pipeline.cards.own_paths import beside
from pipeline.cards.single_files import (
    config_folder,
    is_shipped_config,
    single_file,
    single_file_sha256,
)
from pipeline.errors import ConfigError, ModelError, nearest
from pipeline.registry import is_user_path
from pipeline.storage.file_hashes import sha256_of_files
from pipeline.storage.yaml_files import read_mapping, validated

CARDS_FILE = Path(__file__).parents[1] / "models" / "cards.yaml"
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads plain values only; libyaml's, where it is installed, is ten times as fast."""


class Card(Checkpoint):
    """A pinned checkpoint with its default sampling settings.

    A local folder is in the diffusers layout; its path is relative to the project.

    Attributes:
        name: Name in recipes.
        config: For a checkpoint that is one file: name of a configuration in
            `models/single_file_configs`, or a folder of configs in the diffusers layout.
        family: Name in the model registry (`pipeline/models/__init__.py`). A card of another family
            can be planned but not drawn.
        dtype: Torch dtype the networks run in.
        variant: File variant of the weights ("fp16"), or empty. A component without files of this
            variant is loaded from those without a variant.
        scheduler: Diffusers scheduler class.
        scheduler_config: Settings that override the checkpoint's own scheduler config.
        num_inference_steps: Denoising steps.
        guidance_scale: Classifier-free guidance; 1 or less switches it off.
        height: Image height in pixels.
        width: Image width in pixels.
        latent_channels: Channels of the latents.
        vae_factor: Image pixels per latent pixel along one axis.
        safety_checker: Whether the checkpoint's safety checker runs (and flags rows).
        gpu: Whether the card needs a GPU.
        seconds_per_image: Rough time for `plan`, on the device that the card is meant for; None if
            it was never timed.
        gflop_forward: Floating-point operations (2 per multiply-add) of one UNet forward of one
            image at the card's size, in 1e9; None if unknown.
        gflop_decode: The same for decoding one image.
        stages: How the family `diffusers_pipeline` calls the card's pipelines, in order.
        parts: Weights in addition to the card's own folder, by name.
        loras: LoRAs that are added to the weights of the card's own pipeline, in order.
        embeddings: Textual inversions of the card's own pipeline.
        clip_skip: Last layers of CLIP that are left out; 1 is what other programs call 2.
        memory: How memory is saved on a GPU.
        conditions: The condition images that each prompt must have: `same` for an image of the
            run's size, `any` for one of any size, `numbers` for a row of numbers (an embedding).
        frames: Frames of a video. They lie one below the other in a cell's image, and `height` is
            the height of all frames together.
        demonstration: Whether the model is one of the project's own, which show how a study works;
            seed lists of such models are not advice.
        licence: Licence of the weights.
        note: What a user must know.
    """

    name: str
    family: str
    config: str = ""
    dtype: Literal["float32", "float16", "bfloat16"]
    variant: str = ""
    scheduler: str
    scheduler_config: dict[str, Any] = Field(default_factory=dict)
    num_inference_steps: int
    guidance_scale: float
    height: int
    width: int
    latent_channels: int
    vae_factor: int
    safety_checker: bool = False
    gpu: bool
    seconds_per_image: float | None = None
    gflop_forward: float | None = None
    gflop_decode: float | None = None
    stages: tuple[PipelineStage, ...] = ()
    parts: dict[str, Part] = Field(default_factory=dict)
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    clip_skip: int = Field(default=0, ge=0)
    memory: Memory = Memory()
    conditions: dict[Literal["image", "mask"], Literal["same", "any", "numbers"]] = Field(
        default_factory=dict
    )
    frames: int = 1
    demonstration: bool = False
    licence: str
    note: str = ""

    def latents_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Give the shape (C, h, w) of one image's latents at this size.

        Raises:
            ConfigError: If the size is not a multiple of the VAE's factor.
        """
        for name, size in (("height", height), ("width", width)):
            if size % self.vae_factor or size <= 0:
                below = max(1, size // self.vae_factor) * self.vae_factor
                raise ConfigError(
                    f"{name} {size} is not a multiple of {self.vae_factor}, the card's "
                    f"`vae_factor`; the nearest are {below} and {below + self.vae_factor}"
                )
        return self.latent_channels, height // self.vae_factor, width // self.vae_factor


class ResolvedCard(BaseModel):
    """A card whose files are on this machine.

    Attributes:
        folder: The diffusers folder; of a single file, the folder of its configs.
        file: The file that holds all weights of the card's pipeline, or None.
        revision: The commit that was read; empty for local folders.
        sha256: Hash of the names and contents of all files that define the model.
        parts: Folders of the card's parts.
        loras: Files of the card's LoRAs, in order.
        embeddings: Files of its textual inversions, in order.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    file: Path | None = None
    revision: str
    sha256: str
    parts: dict[str, Path] = Field(default_factory=dict)
    loras: tuple[Path, ...] = ()
    embeddings: tuple[Path, ...] = ()


@cache
def load_cards(path: Path = CARDS_FILE) -> dict[str, Card]:
    """Read all cards of a file, by name."""
    entries = yaml.load(path.read_text(encoding="utf-8"), Loader=SAFE_LOADER)
    return {name: Card(name=name, **entry) for name, entry in entries.items()}


def find_card(name: str) -> Card:
    """Find the card of this name, or read a user's own YAML file.

    A path to a YAML file with one card (without its name) works like a name, so a user's own
    checkpoint needs no change here.

    Raises:
        ConfigError: If there is no such card (the message names the nearest), or if the file is
            malformed.
    """
    cards = load_cards()
    if name in cards:
        return cards[name]
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        fields = {"name": Path(name).stem, **read_mapping(Path(name), "a card")}
        return _beside(validated(Card, fields, Path(name), synonym=our_field), Path(name).parent)
    raise _no_card(name, cards)


def _beside(card: Card, folder: Path) -> Card:
    """Resolve the relative paths of a user's own card, which start at its folder."""
    parts = {
        name: part.model_copy(update={"path": beside(part.path, folder)})
        for name, part in card.parts.items()
    }
    config = card.config if is_shipped_config(card.config) else beside(card.config, folder)
    own = {
        "loras": adapters.beside_all(card.loras, folder),
        "embeddings": adapters.beside_all(card.embeddings, folder),
    }
    changes = {"path": beside(card.path, folder), "parts": parts, "config": config, **own}
    return card.model_copy(update=changes)


def _no_card(name: str, cards: Mapping[str, Card]) -> ConfigError:
    """Say that there is no such card: a missing file, or a name that is not known."""
    own = [str(path) for path in Path(name).parent.glob("*.y*ml")]
    if name.endswith((".yaml", ".yml")):
        return ConfigError(
            f"no card {name}: there is no such file; {nearest(name, own)}".rstrip("; ")
        )
    return ConfigError(
        f"unknown model card {name!r}; {nearest(name, [*cards, *own])}known: {', '.join(cards)}; "
        f"for a card of your own, write the path of its .yaml file"
    )


def check_drawable(card: Card) -> None:
    """Refuse a card of an unknown family, or whose local folder holds no model.

    Nothing is fetched or hashed, so a plan can warn of what would stop the run.

    Raises:
        ModelError: If the card cannot be drawn on this machine.
    """
    if card.family not in models.MODELS and not is_user_path(card.family):
        raise ModelError(
            f"card {card.name} is of the family {card.family}, which this version can plan but "
            f"not draw: {nearest(card.family, models.MODELS)}families that can be drawn: "
            f"{', '.join(models.MODELS)}; a class of your own works by its dotted path"
        )
    if not card.path and not card.repo:
        raise ModelError(
            f"card {card.name} has neither `path` nor `repo`: give the path of a folder in the "
            f"diffusers layout, or a repository on Hugging Face"
        )
    adapters.check_local((*card.loras, *card.embeddings), f"card {card.name}")
    if card.config:
        single_file(card)
    elif card.path:
        _local(card)


def resolve(card: Card, revision: str = "") -> ResolvedCard:
    """Find (for a hub card: fetch) a card's files and hash them.

    Args:
        card: The card.
        revision: The commit that a run started with; empty for the card's own.

    Raises:
        ModelError: If the card's family cannot be drawn (checked before anything is fetched), the
            folder is missing or names code of its own, it is ambiguous which of its weights are
            loaded, or the hub cannot be reached.
    """
    check_drawable(card)
    part_commits = dict(item.split("=") for item in revision.split()[1:])
    card_commit = revision.split()[0] if revision.split() else ""
    file = single_file(card) if card.config else None
    folder, commit = (
        (config_folder(card.config) if file else _local(card), "")
        if card.path
        else _fetch_pipeline(card, card.variant, f"card {card.name}", card_commit)
    )
    refuse_code_in(folder)
    sha256 = single_file_sha256(file, folder) if file else pipeline_sha256(folder, card.variant)
    parts, revisions = {}, [commit or "local"]
    for name, part in card.parts.items():
        parts[name], part_commit = _resolve_part(card, name, part, part_commits.get(name, ""))
        revisions += [f"{name}={part_commit}"] if part_commit else []
        refuse_code_in(parts[name])
        joined = f"{sha256}\0{name}\0{_part_sha256(parts[name], part)}"
        sha256 = hashlib.sha256(joined.encode()).hexdigest()
    found = adapters.find_all(card.loras, card.embeddings, f"card {card.name}", part_commits)
    revisions += found.commits
    sha256 = found.joined_sha256(sha256)
    revision = " ".join(revisions) if len(revisions) > 1 else commit
    return ResolvedCard(
        folder=folder, file=file, revision=revision, sha256=sha256, parts=parts,
        loras=found.loras, embeddings=found.embeddings,
    )  # fmt: skip


def _resolve_part(card: Card, name: str, part: Part, revision: str) -> tuple[Path, str]:
    """Find a part's folder and its commit ("" for a local folder)."""
    if not part.path and not part.repo:
        raise ModelError(f"card {card.name}: part {name} has neither path nor repo; add one")
    if not part.path:
        who = f"card {card.name}, part {name},"
        if part.use == "pipeline":
            return _fetch_pipeline(part, part.variant, who, revision)
        return fetch(part, part.patterns(), who=who, commit=revision)
    folder = PROJECT_ROOT / part.path
    if part.config:
        refuse_pickle(folder)
        return folder, ""
    if not folder.is_dir():
        raise ModelError(
            f"card {card.name}: its part {name} is missing: no folder {folder}. {card.note}"
        )
    return folder, ""


def _fetch_pipeline(
    checkpoint: Checkpoint, variant: str, who: str, commit: str
) -> tuple[Path, str]:
    """Fetch a pipeline; for networks without files of the variant, those without a variant."""
    patterns = download_patterns(variant)
    folder, commit = fetch(checkpoint, patterns, who=who, commit=commit)
    others = [f"{name}/*.safetensors" for name in components_without(folder, variant)]
    if others:
        folder, commit = fetch(checkpoint, [*patterns, *others], who=who, commit=commit)
    return folder, commit


def _part_sha256(folder: Path, part: Part) -> str:
    """Hash the files that a part is loaded from."""
    if part.config:
        return single_file_sha256(folder, config_folder(part.config) / part.component)
    if part.use == "pipeline":
        return pipeline_sha256(folder, part.variant)
    return sha256_of_files(folder, part.files(folder), file_sha256=known_sha256)


def _local(card: Card) -> Path:
    folder = PROJECT_ROOT / card.path
    if not (folder / "model_index.json").is_file():
        missing = "holds no model_index.json" if folder.is_dir() else "is no folder"
        raise ModelError(
            f"card {card.name}: {folder} {missing}; `path` is a folder in the diffusers layout; a "
            f"relative path starts at the folder of the card's file"
        )
    return folder


def files_sha256(folder: Path, patterns: Sequence[str]) -> str:
    """Hash the names and contents of the files that define the model in a diffusers folder.

    Only the components that its `model_index.json` names count, so other files in the folder
    change nothing.

    Args:
        folder: The folder.
        patterns: Patterns of file names, for example "*.json".

    Returns:
        sha256 as hex.
    """
    files = [folder / "model_index.json"]
    files += [p for name in components(folder) for t in patterns for p in (folder / name).glob(t)]
    return sha256_of_files(folder, files, file_sha256=known_sha256)
