"""Defines run configurations: what is drawn, and the run_id that follows from it.

A *run configuration* is one arm of a recipe (`pipeline/settings/recipe.py`), frozen and validated,
with all defaults resolved. The `run_id` hashes an explicit list of what defines the image of a
cell, and nothing else. Where and how fast a run is drawn is provenance. The seeds and prompts of a
run are its grid, which may grow.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from pipeline import interventions
from pipeline.cards.weights import weights_sha256
from pipeline.registry import is_user_path, load, source_sha256
from pipeline.settings.choices import Frozen

IDENTITY_VERSION = 1
"""Version of the list in `RunConfig.identity`; a change renames all runs."""


Dtype = Literal["float32", "float16", "bfloat16"]
Compiled = bool | Literal["blocks"]
Attention = Literal["default", "flash", "efficient", "cudnn", "math"]
Tf32 = Literal["default", "all", "none"]


class InterventionConfig(Frozen):
    """An intervention with its parameters.

    Attributes:
        name: Name in the intervention registry, or a dotted path of the user's own class.
        parameters: Its parameters.
        source_sha256: Hash of the source file of a user's own class, filled in when the run starts;
            empty for shipped interventions.
        weights_sha256: Hash of the files of each parameter that names weights, filled in when the
            run starts.
        code_version: Version of the intervention's class, filled in when the run starts.
    """

    name: str = "none"
    parameters: dict[str, Any] = Field(default_factory=dict)
    source_sha256: str = ""
    weights_sha256: dict[str, str] = Field(default_factory=dict)
    code_version: int = 1

    def identity(self) -> dict[str, Any]:
        """Give what defines an image; weights count by their content, not by their path."""
        source = {"source_sha256": self.source_sha256} if self.source_sha256 else {}
        version = {"code_version": self.code_version} if self.code_version != 1 else {}
        parameters = self.parameters | self.weights_sha256
        return {"name": self.name, "parameters": parameters, **source, **version}

    def with_source(self) -> "InterventionConfig":
        """Give a copy with the current version and the current hashes of source and weights."""
        family, what = interventions.INTERVENTIONS, "intervention"
        current = {
            "source_sha256": own_source_sha256(family, self.name, what),
            "weights_sha256": weights_sha256(self.parameters),
            "code_version": getattr(load(family, self.name, what), "code_version", 1),
        }
        return self.model_copy(update=current)


def own_source_sha256(family: Mapping[str, str], name: str, what: str) -> str:
    """Hash the source file of a user's own class; empty for a shipped class."""
    return source_sha256(load(family, name, what)) if is_user_path(name) else ""


class RunConfig(Frozen):
    """One arm of a recipe, with everything that defines the image of a cell resolved.

    Attributes:
        card: Name of the card.
        card_sha256: Hash of the checkpoint's files.
        revision: Commit of a hub card; empty for a local one. Not identity: the files are.
        dtype: Torch dtype of the networks.
        decoder: Component that turns latents into pixels.
        height: Pixels.
        width: Pixels.
        scheduler: Diffusers scheduler class.
        scheduler_config: Settings that override the checkpoint's own.
        num_inference_steps: Number of steps.
        guidance_scale: Scale of classifier-free guidance.
        negative_prompt: Text of the unconditional branch.
        eta: DDIM's eta; at 0 there is no step noise.
        noise: Short name of the noise spec.
        intervention: Change of sampling.
        batch_size: Images drawn together. The shape of a batch is fixed, because it changes the
            last bits of a float.
        compiled: Whether the networks that are called in each step run through torch.compile:
            whole, or only the blocks that they repeat.
        attention: The kernel of attention; "default" leaves the choice to torch.
        channels_last: Whether the weights of convolutions lie in memory with their channels last.
        tf32: What a GPU multiplies with 10 bits of a float32: "default" as torch has it, which is
            convolutions alone, "all", or "none".
        vae_dtype: Dtype of the autoencoder; empty for that of the other networks.
        safety_checker: Whether the checkpoint's safety checker may replace images.
        family_sha256: Hash of the source of a user's own model family.
        frames: Frames of a video, one below the other in an image.
        lora_weights: How much of each of the card's LoRAs is added, in order. The files are part of
            `card_sha256`.
        embedding_tokens: The words of the card's textual inversions, in order.
        clip_skip: Last layers of CLIP that are left out.
        prompt_weighting: Library with version that reads weights in prompts; empty for none.
        prompt_chunks: Chunks of the text encoder's length that are read of a prompt.
        imported: What images that were drawn elsewhere say of their settings. If it is not empty,
            `card_sha256` is the hash of the images, and only size and these settings are known.
        vae_slicing: Whether images are decoded one by one.
        vae_tiling: Whether an image is decoded in tiles.
        stages: How the card's pipelines are called, if the card says so; see `PipelineStage`.
    """

    card: str
    card_sha256: str
    revision: str = ""
    dtype: Dtype
    decoder: str = "vae"
    height: int
    width: int
    scheduler: str
    scheduler_config: dict[str, Any] = Field(default_factory=dict)
    num_inference_steps: int
    guidance_scale: float
    negative_prompt: str = ""
    eta: float = 0.0
    noise: str = "torch-cpu"
    intervention: InterventionConfig = InterventionConfig()
    batch_size: int
    compiled: Compiled = False
    attention: Attention = "default"
    channels_last: bool = False
    tf32: Tf32 = "default"
    vae_dtype: Dtype | Literal[""] = ""
    safety_checker: bool = False
    family_sha256: str = ""
    stages: list[dict[str, Any]] = Field(default_factory=list)
    frames: int = 1
    lora_weights: list[float] = Field(default_factory=list)
    embedding_tokens: list[str] = Field(default_factory=list)
    clip_skip: int = 0
    prompt_weighting: str = ""
    prompt_chunks: int = 1
    vae_slicing: bool = False
    vae_tiling: bool = False
    imported: dict[str, str] = Field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Give the explicit list that the run_id hashes; fields at their default are left out.

        So a new field, left at its default, does not rename an old run.
        """
        if self.imported:
            return {
                "identity_version": IDENTITY_VERSION,
                "images_sha256": self.card_sha256,
                "imported": self.imported,
            }
        always = {
            "identity_version": IDENTITY_VERSION,
            "card_sha256": self.card_sha256,
            "dtype": self.dtype,
            "height": self.height,
            "width": self.width,
            "scheduler": self.scheduler,
            "num_inference_steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "batch_size": self.batch_size,
        }
        optional = {
            "decoder": self.decoder,
            "scheduler_config": self.scheduler_config,
            "negative_prompt": self.negative_prompt,
            "eta": self.eta,
            "noise": self.noise,
            "compiled": self.compiled,
            "attention": self.attention,
            "channels_last": self.channels_last,
            "tf32": self.tf32,
            "vae_dtype": self.vae_dtype,
            "safety_checker": self.safety_checker,
            "family_sha256": self.family_sha256,
            "stages": self.stages,
            "frames": self.frames,
            "lora_weights": self.lora_weights,
            "embedding_tokens": self.embedding_tokens,
            "clip_skip": self.clip_skip,
            "prompt_weighting": self.prompt_weighting,
            "prompt_chunks": self.prompt_chunks,
            "vae_slicing": self.vae_slicing,
            "vae_tiling": self.vae_tiling,
        }
        fields = type(self).model_fields
        changed = {
            k: v
            for k, v in optional.items()
            if v != fields[k].get_default(call_default_factory=True)
        }
        if self.intervention != InterventionConfig():
            changed["intervention"] = self.intervention.identity()
        return always | changed

    @property
    def run_id(self) -> str:
        """The id of the run: the first 16 hex digits of the sha256 of its identity."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
