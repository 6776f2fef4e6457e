"""Describes how the pipelines of a card are called.

Most pipelines of diffusers differ only in their class, in the names of their inputs, and in how
noise enters. A card states these, and one family draws them all. This module does not import torch.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.cards.checkpoints import Checkpoint
from pipeline.cards.foreign_code import code_arguments
from pipeline.cards.loaded_files import download_patterns, network_files
from pipeline.errors import ModelError

DECODERS = ("vae", "vqvae", "movq")
"""Names of the components that turn latents into pixels."""

ENCODER = "image_encoder"
"""Folder of an IP-Adapter's image encoder."""

Source = str | tuple[str, ...]
"""Source of an argument's value; see `PipelineStage.inputs`."""


class Part(Checkpoint):
    """Weights in addition to the card's own folder: a ControlNet, an adapter, a prior.

    Attributes:
        use: How it is loaded: as a whole `pipeline` (named by a stage), as a `component` for a
            pipeline's constructor, or as an `ip_adapter` that the pipeline loads.
        component: Argument of the constructor; parts for the same argument make a list.
        kind: "diffusers:ControlNetModel", "transformers:T5EncoderModel" ...
        variant: File variant ("fp16"), or empty.
        subfolder: Folder of the weights within the part's folder.
        file: File name of the weights, for an IP-Adapter.
        config: For a component whose `path` is one file: the configuration whose folder of the
            component's name describes it; see `Card.config`.
        image_encoder: Whether an IP-Adapter comes with an image encoder; an adapter for the numbers
            of a face recogniser has none.
    """

    use: Literal["pipeline", "component", "ip_adapter"]
    component: str = ""
    kind: str = ""
    variant: str = ""
    subfolder: str = ""
    file: str = ""
    config: str = ""
    image_encoder: bool = True

    def patterns(self) -> list[str]:
        """List the names of the files that are fetched."""
        if self.use == "ip_adapter":
            names = ("*.json", "*.safetensors") if self.image_encoder else ()
            encoder = [f"{ENCODER}/{name}" for name in names]
            return [self._inside(name) for name in (self.file, *encoder)]
        return [self._inside(name) for name in download_patterns(self.variant)]

    def files(self, folder: Path) -> set[Path]:
        """List the files that a component or an adapter is loaded from, for hashing.

        Args:
            folder: The part's folder.

        Raises:
            ModelError: If it is ambiguous which weights are loaded, or an image encoder has none
                in safetensors.
        """
        inner = folder / self.subfolder
        if self.use == "component":
            return network_files(inner, self.variant)
        files = {path for path in [inner / self.file] if path.is_file()}
        return files | (self._encoder_files(inner / ENCODER) if self.image_encoder else set())

    def _encoder_files(self, folder: Path) -> set[Path]:
        """List the files of an adapter's image encoder, which diffusers loads without a variant."""
        files = network_files(folder, "")
        if any(folder.glob("*.bin")) and not any(path.suffix == ".safetensors" for path in files):
            raise ModelError(
                f"{folder} holds the image encoder as a pickle only; convert it to safetensors"
            )
        return {path for path in files if path.suffix in (".json", ".safetensors")}

    def _inside(self, name: str) -> str:
        return f"{self.subfolder}/{name}" if self.subfolder else name


class PipelineStage(BaseModel):
    """One pipeline's call; a cascade has several, in the order in which they run.

    Attributes:
        pipeline: Class in diffusers.
        part: The part that holds its folder; empty for the card's own.
        inputs: Argument -> source of its value: `text` (the prompts), `negative` (the run's
            negative prompt; without one, the pipeline's default applies), `label` (the prompt read
            as a class number), `count` (the batch size), `image` or `mask` (the condition images),
            a list of these for one list per cell, or a name in `outputs` of an earlier stage. The
            argument `ip_adapter_image_embeds` gets embeddings of the images, one per cell.
        arguments: Fixed arguments, the same for every cell.
        load: Arguments of `from_pretrained`, for example a watermark that must not depend on
            what else is installed. Arguments that run code (`trust_remote_code`,
            `custom_pipeline`) are refused.
        noise: How the starting noise enters: as `latents`, as latents in float32 whatever the
            networks' dtype (`float32_latents`), as latents packed by the pipeline into patches of
            2 x 2 (`packed_latents`), or drawn by the pipeline itself from the list of generators
            (`generator`).
        step_noise: Whether the pipeline passes its generators to its scheduler. If it does not, a
            stochastic scheduler would draw from the global stream, and is refused.
        outputs: Name -> index in the call's output, for later stages.
        shared: Components that are taken from the first stage's pipeline and not loaded again.
        pixels: Range of `output_type="pt"`: `unit` [0, 1] or `signed` [-1, 1].
        tokenizer: Component that counts the tokens of a prompt; empty for none.
        max_tokens: Number of tokens that the stage reads; 0 for the tokenizer's own limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    part: str = ""
    inputs: dict[str, Source]
    arguments: dict[str, Any] = Field(default_factory=dict)
    load: dict[str, Any] = Field(default_factory=dict)
    noise: Literal["latents", "float32_latents", "packed_latents", "generator"] = "latents"
    step_noise: bool = True
    outputs: dict[str, int] = Field(default_factory=dict)
    shared: tuple[str, ...] = ()
    pixels: Literal["unit", "signed"] = "unit"
    tokenizer: str = ""
    max_tokens: int = 0

    @field_validator("load")
    @classmethod
    def _runs_no_code(cls, load: dict[str, Any]) -> dict[str, Any]:
        keys = code_arguments(load)
        if keys:
            raise ValueError(
                f"may not contain {', '.join(keys)}: code that came with a model is never run, "
                f"and weights are read from local safetensors only; remove it"
            )
        return load

    def sources(self) -> list[str]:
        """List all sources, with lists flattened."""
        return [s for v in self.inputs.values() for s in ([v] if isinstance(v, str) else v)]

    def identity(self) -> dict[str, Any]:
        """Give the fields that define an image; fields at their default are left out."""
        return self.model_dump(mode="json", exclude_defaults=True)
