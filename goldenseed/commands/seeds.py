"""`goldenseed seeds`: seeds of a model, with what makes them mean the same in other tools."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands.options import AllowCode, AsJson, WhereOption
from pipeline.storage.address import local_path

Model = Annotated[str, typer.Option(
    metavar="MODEL",
    help="Model that you draw with: name of its card, its repository, or its folder.",
)]  # fmt: skip
Source = Annotated[Path | None, typer.Option(
    "--from", metavar="FOLDER", parser=local_path,
    show_default="the lists that come with goldenseed",
    help="Run folder or release folder that names the seeds.",
)]  # fmt: skip
Count = Annotated[int | None, typer.Option(
    "--k", metavar="K", show_default="all golden seeds, or 4 diverse ones",
    help="Number of seeds.",
)]  # fmt: skip
Diverse = Annotated[str, typer.Option(
    metavar="KIND",
    help="Seeds whose images differ most, by style or composition, instead of golden seeds; --from "
    "must be a run.",
)]  # fmt: skip
Tool = Annotated[str, typer.Option(
    "--for", metavar="TOOL",
    help="Write what a tool reads: diffusers, comfyui, a1111, invokeai, sdnext or drawthings.",
)]  # fmt: skip
PromptText = Annotated[str, typer.Option(
    "--prompt", metavar="TEXT", help="Prompt for the code, the workflow or the text of a tool.",
)]  # fmt: skip


def seeds(
    *, model: Model = "", source: Source = None, k: Count = None, diverse: Diverse = "",
    where: WhereOption = None, tool: Tool = "", prompt: PromptText = "a red apple on a table",
    allow_code: AllowCode = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Print golden or diverse seeds of a model, and how to use them in another tool.

    With --for, what the tool reads goes to stdout, and what to set there to stderr.
    """
    from goldenseed.output.seed_lists import print_seeds
    from goldenseed.steps.seed_lists.source import find_seeds
    from pipeline import registry

    registry.allow_code(allowed=allow_code)
    found = find_seeds(model, source, diverse=diverse, where=where or [], k=k)
    print_seeds(found, tool, prompt, as_json=as_json)
