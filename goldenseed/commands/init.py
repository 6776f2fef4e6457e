"""`goldenseed init`: write a recipe with its card for a model of the user's own."""

from typing import Annotated, Any

import typer

Models = Annotated[list[str], typer.Option(
    "--model", metavar="MODEL", help="A folder in the diffusers layout, a .safetensors "
    "checkpoint, or OWNER/NAME of a repository on Hugging Face; repeat to compare several.",
)]  # fmt: skip
Prompts = Annotated[str, typer.Option(
    metavar="FILE", help="Prompt file: one prompt a line, or .csv, .tsv, .jsonl; or the name of "
    "a shipped one.",
)]  # fmt: skip
SeedText = Annotated[str, typer.Option(
    "--seeds", metavar="SEEDS", help="A count (64), a range start:stop without its stop "
    "(100:164), or a list (7,11,469).",
)]  # fmt: skip
Steps = Annotated[int | None, typer.Option(
    min=1, metavar="N", show_default="from the files", help="Denoising steps.",
)]  # fmt: skip
Guidance = Annotated[float | None, typer.Option(
    min=0, metavar="G", show_default="from the files",
    help="Scale of classifier-free guidance; 1 or less switches it off.",
)]  # fmt: skip
Scheduler = Annotated[str, typer.Option(
    metavar="NAME", show_default="from the files", help="Scheduler class of diffusers.",
)]  # fmt: skip
Pixels = Annotated[int | None, typer.Option(
    min=1, metavar="PIXELS", show_default="from the files", help="Size of an image.",
)]  # fmt: skip
Device = Annotated[str, typer.Option(
    metavar="gpu|cpu", show_default="gpu if there is one", help="Where the model is drawn.",
)]  # fmt: skip
Vram = Annotated[float, typer.Option(
    min=0, metavar="GIB", show_default="no limit",
    help="Memory of the GPU, such as 8 or 12: choose the batch, and what saves memory, to fit.",
)]  # fmt: skip
Revision = Annotated[str, typer.Option(
    metavar="COMMIT", show_default="the newest", help="Commit of the repository.",
)]  # fmt: skip
Rank = Annotated[str, typer.Option(
    metavar="METRIC", show_default="by the weights on this machine",
    help="Metric that ranks the seeds.",
)]  # fmt: skip

Prediction = Annotated[str, typer.Option(
    metavar="epsilon|v_prediction", show_default="from the files",
    help="What the network of a single file predicts.",
)]  # fmt: skip
Config = Annotated[str, typer.Option(
    metavar="NAME|FOLDER", show_default="recognised",
    help="Configs of a single file: a name that ships, such as sdxl, or a folder.",
)]  # fmt: skip
Base = Annotated[str, typer.Option(
    metavar="FOLDER|OWNER/NAME", help="A model of the same family in the diffusers layout, from "
    "which a single file takes the text encoders or the autoencoder that it lacks.",
)]  # fmt: skip

Loras = Annotated[list[str] | None, typer.Option(
    "--lora", metavar="FILE[:WEIGHT]", show_default="none",
    help="A LoRA and how much of it is added (1 if not given); repeat for several.",
)]  # fmt: skip
Embeddings = Annotated[list[str] | None, typer.Option(
    "--embedding", metavar="FILE[:WORD]", show_default="none",
    help="A textual inversion and its word in prompts (the file's name if not given); repeat for "
    "several.",
)]  # fmt: skip
Vae = Annotated[str, typer.Option(
    metavar="FILE|FOLDER", show_default="the model's",
    help="Another autoencoder: a .safetensors file, a folder, or OWNER/NAME of a repository.",
)]  # fmt: skip


def init(
    model: Models, prompts: Prompts, seeds: SeedText = "64", lora: Loras = None,
    embedding: Embeddings = None, vae: Vae = "",
    steps: Steps = None, guidance: Guidance = None, scheduler: Scheduler = "",
    height: Pixels = None, width: Pixels = None, device: Device = "", vram: Vram = 0,
    rank: Rank = "",
    revision: Revision = "", prediction: Prediction = "", config: Config = "", base: Base = "",
) -> None:  # fmt: skip
    """Write a recipe for your own model to stdout; send it to a file with `> study.yaml`.

    Reads from the model's files how it is drawn. Each value has a comment that says where it
    comes from. What the files do not say must be given as an option.
    """
    from goldenseed.output import tables
    from goldenseed.steps.init.device import draws_on_gpu
    from goldenseed.steps.init.recipe import recipe_text
    from goldenseed.steps.init.request import Request

    options: dict[str, Any] = {
        "num_inference_steps": steps, "guidance_scale": guidance, "scheduler": scheduler,
        "height": height, "width": width,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value not in (None, "")}
    request = Request(
        model[0], prompts, seeds, revision, draws_on_gpu(device), rank, given, prediction, config,
        base, vae, tuple(lora or ()), tuple(embedding or ()), vram,
    )  # fmt: skip
    tables.document(recipe_text(request, model[1:]).removesuffix("\n"))
