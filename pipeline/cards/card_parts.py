"""What a card says about a pipeline that is called in a way of its own. No torch.

Most pipelines of diffusers differ only in their class, in the names of what goes in, and in how
noise enters. A card states these, and one family draws them all.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.cards.checkpoints import Checkpoint

Source = str | tuple[str, ...]
"""What goes into an argument: see `PipelineStage.inputs`."""


class Part(Checkpoint):
    """Weights beside the card's own folder: a ControlNet, an adapter, a prior.

    Attributes:
        use: How it is loaded: a whole `pipeline` (a stage names it), a `component` that a
            pipeline's constructor takes, or an `ip_adapter` that is put on the pipeline.
        component: The constructor's argument; parts with the same one make a list.
        kind: "diffusers:ControlNetModel", "transformers:T5EncoderModel" ...
        variant: File variant ("fp16"), or empty.
        subfolder: Folder of the weights inside it.
        file: Name of the weights' file, for an IP-Adapter.
        image_encoder: Whether an IP-Adapter's image encoder lies beside it; one that takes a
            face recogniser's numbers has none.
    """

    use: Literal["pipeline", "component", "ip_adapter"]
    component: str = ""
    kind: str = ""
    variant: str = ""
    subfolder: str = ""
    file: str = ""
    image_encoder: bool = True

    def patterns(self) -> list[str]:
        """Names of the files that are read, for fetching and hashing."""
        weights = f"*{self.variant and '.' + self.variant}.safetensors"
        folder = f"{self.subfolder}/" if self.subfolder else ""
        if self.use == "ip_adapter":
            beside = ("*.json", weights) if self.image_encoder else ()
            encoder = [f"{folder}image_encoder/{name}" for name in beside]
            return [f"{folder}{self.file}", *encoder]
        return [f"{folder}{name}" for name in ("*.json", "*.txt", "*.model", weights)]


class PipelineStage(BaseModel):
    """One pipeline's call; a cascade has several, in the order in which they run.

    Attributes:
        pipeline: Class in diffusers.
        part: The part that holds its folder; empty for the card's own.
        inputs: Argument -> what goes in: `text` (the prompts), `negative` (the run's negative
            prompt; left to the pipeline's default where there is none), `label` (the prompt read
            as a class number), `count` (the batch size), `image` or `mask` (the prompts' pictures),
            a list of these for one list per cell, or an `outputs` name of an earlier stage.
            `ip_adapter_image_embeds` gets the pictures as embeddings, one per cell.
        arguments: Fixed arguments, the same for every cell.
        load: Arguments of `from_pretrained`, for example a watermark that must not depend on
            what else is installed.
        noise: How the starting noise enters: as `latents`, as latents packed by the pipeline
            into patches of 2 x 2 (`packed_latents`), or drawn by the pipeline itself from our
            `generator` list.
        step_noise: Whether the pipeline hands its generators to its scheduler. Where it does
            not, a stochastic scheduler would draw from the global stream, and is refused.
        outputs: Name -> place in the call's output, for later stages.
        shared: Components taken from the first stage's pipeline and not loaded again.
        pixels: Range of `output_type="pt"`: `unit` [0, 1] or `signed` [-1, 1].
        tokenizer: Component whose tokens are counted, empty for none.
        max_tokens: Tokens that are read; 0 for the tokenizer's own limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    part: str = ""
    inputs: dict[str, Source]
    arguments: dict[str, Any] = Field(default_factory=dict)
    load: dict[str, Any] = Field(default_factory=dict)
    noise: Literal["latents", "packed_latents", "generator"] = "latents"
    step_noise: bool = True
    outputs: dict[str, int] = Field(default_factory=dict)
    shared: tuple[str, ...] = ()
    pixels: Literal["unit", "signed"] = "unit"
    tokenizer: str = ""
    max_tokens: int = 0

    def sources(self) -> list[str]:
        """Everything that goes in, lists taken apart."""
        return [s for v in self.inputs.values() for s in ([v] if isinstance(v, str) else v)]

    def identity(self) -> dict[str, Any]:
        """What of it defines an image; what is at its default is left out."""
        return self.model_dump(mode="json", exclude_defaults=True)
