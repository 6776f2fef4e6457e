"""Checks a recipe against what the networks of a checkpoint take, by their configs alone.

Where a checkpoint, or one of its configs, is not on this machine, nothing is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cards.card import Card
from pipeline.cards.card_parts import PipelineStage
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.cards.diffusers_source import arguments
from pipeline.cards.json_files import read_object
from pipeline.cards.single_files import config_folder
from pipeline.errors import ConfigError

UNLIMITED = 10**9
"""Transformers gives a tokenizer without a limit one of 10**30."""

CLIP_POSITIONS = 77
"""Tokens that CLIP's text encoder reads if its config does not say so."""


@dataclass(frozen=True)
class Folders:
    """The folders of a card that are on this machine.

    Attributes:
        card: The card.
        folder: The checkpoint's folder, or None.
        parts: Folders of its parts.
    """

    card: Card
    folder: Path | None
    parts: Mapping[str, Path]

    @property
    def last_stage(self) -> PipelineStage | None:
        """The stage that makes the images; None for a family without stages."""
        return self.card.stages[-1] if self.card.stages else None

    def pipeline(self, stage: PipelineStage | None) -> Path | None:
        """Give the folder of a stage's pipeline."""
        return self.parts.get(stage.part) if stage and stage.part else self.folder

    def component(self, stage: PipelineStage | None, name: str) -> Path | None:
        """Give the folder of a component: a part of the card, or in the stage's pipeline."""
        for part_name, part in self.card.parts.items():
            if part.use == "component" and part.component == name and part_name in self.parts:
                return self.parts[part_name] / part.subfolder
        pipeline = self.pipeline(stage)
        return pipeline / name if pipeline else None

    def config(self, stage: PipelineStage | None, name: str) -> Mapping[str, Any]:
        """Read a component's config; empty if there is none."""
        folder = self.component(stage, name)
        return _read(folder / "config.json") if folder else {}


def local_folders(card: Card) -> Folders:
    """Find the folders of a card that are on this machine, without looking at a hub."""
    local = PROJECT_ROOT / card.path if card.path else None
    parts = {
        name: config_folder(part.config) / name if part.config else PROJECT_ROOT / part.path
        for name, part in card.parts.items()
        if part.path
    }
    return Folders(card, config_folder(card.config) if card.config else local, parts)


def _read(path: Path) -> Mapping[str, Any]:
    return read_object(path) if path.is_file() else {}


def check_tokenizers(folders: Folders) -> None:
    """Refuse a tokenizer that does not say how many tokens its text encoder reads.

    Pipelines pad each text to this number.

    Raises:
        ConfigError: If it has no `model_max_length`, or a larger one than the encoder reads; the
            message has the number of the encoder.
    """
    for stage in folders.card.stages or (None,):
        for name in _padded_tokenizers(folders, stage):
            folder = folders.component(stage, name)
            encoder = folders.config(stage, name.replace("tokenizer", "text_encoder"))
            if folder is not None and folder.is_dir() and encoder:
                _check_tokenizer(folders.card, folder / "tokenizer_config.json", encoder)


def _padded_tokenizers(folders: Folders, stage: PipelineStage | None) -> Iterator[str]:
    """List the tokenizers whose own limit a pipeline uses: those of CLIP, or of a whole family."""
    pipeline = folders.pipeline(stage)
    for name, kind in _read(pipeline / "model_index.json").items() if pipeline else ():
        present = (
            name.startswith("tokenizer")
            and isinstance(kind, list)
            and len(kind) > 1
            and bool(kind[0])
        )
        if present and (stage is None or str(kind[1]).startswith("CLIPTokenizer")):
            yield name


def _check_tokenizer(card: Card, path: Path, encoder: Mapping[str, Any]) -> None:
    config = encoder.get("text_config") or encoder
    reads = config.get("max_position_embeddings", CLIP_POSITIONS)
    says = _read(path).get("model_max_length")
    known = isinstance(says, int | float) and says < UNLIMITED
    if known and says <= reads:
        return
    found = f"model_max_length {says}" if known else "no model_max_length"
    raise ConfigError(
        f"card {card.name}: {path} has {found}, and the text encoder reads {reads} tokens: the "
        f'pipeline pads each text to this number; write `"model_max_length": {reads}` into that '
        f"file"
    )


def check_size(where: str, folders: Folders, *, height: int, width: int) -> None:
    """Refuse a size that the networks cannot draw.

    Args:
        where: Start of the message.
        folders: The card with its folders.
        height: Pixels, a multiple of the card's `vae_factor`.
        width: The same.

    Raises:
        ConfigError: If it is no multiple of what the networks need (the message has the nearest),
            or the pipeline draws one size only.
    """
    card, stage = folders.card, folders.last_stage
    call = arguments("pipelines", stage.pipeline, "__call__") if stage else frozenset()
    if call and "height" not in call and (height, width) != (card.height, card.width):
        raise ConfigError(
            f"{where}height and width are {height} and {width}, and the pipeline of card "
            f"{card.name} draws one size only: {card.height} and {card.width}; remove them"
        )
    patch, why = _patch(folders)
    frames = f" (in {card.frames} frames)" if card.frames > 1 else ""
    for name, size, step, of in (
        ("height", height, card.vae_factor * patch * card.frames, frames),
        ("width", width, card.vae_factor * patch, ""),
    ):
        if size % step:
            below = max(1, size // step) * step
            raise ConfigError(
                f"{where}{name} {size}{of} is not a multiple of {step}, which card {card.name} "
                f"needs{why}; the nearest are {below} and {below + step}"
            )


def _patch(folders: Folders) -> tuple[int, str]:
    """Give the number of latent pixels that a size must be a multiple of, and why."""
    stage = folders.last_stage
    if stage is not None and stage.noise == "packed_latents":
        return 2, ": its pipeline packs latents into patches of 2 x 2"
    transformer = folders.config(stage, "transformer")
    patches = transformer.get("all_patch_size") or [transformer.get("patch_size")]
    patch = patches[0]  # Z-Image lists several; its pipeline uses the first
    if isinstance(patch, int) and patch > 1:
        return patch, f": its transformer reads patches of {patch} x {patch} latents"
    unet = folders.config(stage, "unet")
    if unet.get("_class_name") == "UNet2DModel":  # other UNets restore odd sizes
        halvings = len(unet.get("block_out_channels", ())) - 1
        return 2 ** max(0, halvings), f": its UNet halves the latents {halvings} times"
    return 1, ""


def check_guidance(where: str, folders: Folders, *, guidance: float, negative: str) -> None:
    """Refuse guidance, or a negative prompt, that the networks do not read.

    Args:
        where: Start of the message.
        folders: The card with its folders.
        guidance: The run's `guidance_scale`.
        negative: Its negative prompt.

    Raises:
        ConfigError: If a network takes the scale as an input, so that there is no unconditional
            branch for a negative prompt, or if it is distilled to one scale.
    """
    card, stage = folders.card, folders.last_stage
    if negative and folders.config(stage, "unet").get("time_cond_proj_dim") is not None:
        raise ConfigError(
            f"{where}negative_prompt is set, and nothing reads it: the UNet of card {card.name} "
            f"takes guidance_scale as an input and is called once per step, without a negative "
            f"prompt; remove negative_prompt"
        )
    pipeline = folders.pipeline(stage)
    index = _read(pipeline / "model_index.json") if pipeline else {}
    embeds = folders.config(stage, "transformer").get("guidance_embeds")
    if index.get("is_distilled") is False:
        return  # the base models of a family whose distilled ones have no guidance
    if embeds is False and guidance != card.guidance_scale and "negative" not in _sources(stage):
        raise ConfigError(
            f"{where}guidance_scale is {guidance:g}, and nothing reads it: the transformer of card "
            f"{card.name} is distilled without guidance; remove guidance_scale"
        )


def _sources(stage: PipelineStage | None) -> list[str]:
    return stage.sources() if stage else []
