"""The fields of a card: what is loaded, and how it is sampled by default."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.cards.adapters import Embedding, Lora
from pipeline.cards.card_parts import Part, PipelineStage
from pipeline.cards.checkpoints import Checkpoint
from pipeline.cards.memory import Memory
from pipeline.errors import ConfigError

IMPORTED = "imported"
"""Family of the cards of images that were drawn elsewhere, which nothing here can draw."""
MOST_STEPS = 10_000
"""Most denoising steps; a scheduler allocates arrays of so many numbers when it is checked."""
MAX_SIDE = 16_383
"""Longest side of an image in pixels: WebP, in which images are stored, has no longer ones."""


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
        prompt_weighting: Library that reads weights in prompts; empty for none.
        prompt_chunks: Number of chunks of the text encoder's length that are read of a prompt, if
            `prompt_weighting` is set.
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
    num_inference_steps: int = Field(le=MOST_STEPS)
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
    prompt_weighting: Literal["", "compel"] = ""
    prompt_chunks: int = Field(default=1, ge=1, le=8)
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
            ConfigError: If the size is not a multiple of the VAE's factor, or larger than
                `MAX_SIDE`.
        """
        for name, size in (("height", height), ("width", width)):
            if size > MAX_SIDE:
                raise ConfigError(
                    f"{name} {size:,} is more than {MAX_SIDE:,} pixels, the longest side of an "
                    f"image that can be stored"
                )
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
