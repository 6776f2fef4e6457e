"""Arguments and options that several commands share, and what completes them in a shell."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.storage.address import Address, local_path, place_of


def complete_recipe(incomplete: str) -> list[str]:
    """List the shipped recipes whose names begin with what was typed."""
    from pipeline.settings.recipe import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="Name of a shipped recipe, for example seedling, or path of your own .yaml file.",
        autocompletion=complete_recipe,
    ),
]
RUN_HELP = (
    "Run folder, for example runs/seedling. The folder of a recipe with arms stands for the runs "
    "of all its arms."
)
RunPath = Annotated[Path, typer.Argument(metavar="RUN", parser=local_path, help=RUN_HELP)]
"""A run on a disk, for commands that need files."""
RunPlace = Annotated[
    Address,
    typer.Argument(
        metavar="RUN", parser=place_of, help=f"{RUN_HELP} Or an address: s3://bucket/run."
    ),
]
"""A run on a disk or in an object store. It may be a path, too: typer allows no union here."""
RunFolder = Annotated[
    Address | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        parser=place_of,
        show_default="runs/RECIPE",
        help="Run folder to begin, or to continue; or an address: s3://bucket/run.",
    ),
]
Seeds = Annotated[
    str,
    typer.Option(
        metavar="SEEDS",
        show_default="the recipe's",
        help="Seeds to draw: a count (64), a range start:stop without its stop (100:164), or a "
        "list (7,11,469).",
    ),
]
PromptCount = Annotated[
    int | None,
    typer.Option(
        "--prompts",
        min=1,
        metavar="N",
        show_default="the recipe's",
        help="Number of prompts to draw, a fair sample of the recipe's prompt file.",
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FIELD=VALUE",
        help="Rank on these prompts of the run only, for example category=horse. FIELD is "
        "category, challenge, object, modifier or group; may be repeated.",
    ),
]
PromptFile = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="FILE",
        parser=local_path,
        help="Rank on the prompts of this file only, which the run must have drawn.",
    ),
]
Executor = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Where the work is done: ray (parallel workers, on one machine or a cluster) or "
        "local (in this process).",
    ),
]
WorkerCount = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        show_default="as many as fit",
        help="Number of parallel workers; each loads the model once.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON instead of a table.")
]
AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Import classes that a recipe, a run or an option names by their dotted path "
        "(my_module:MyClass). This runs their modules; give it only if you trust them.",
    ),
]

PublishTo = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="PLACE",
        show_default="RUN/releases",
        help="Folder for the release, or hf://datasets/OWNER/NAME to upload it.",
    ),
]
WithImages = Annotated[
    bool, typer.Option("--images", help="Publish the images that the run kept, too.")
]
Authors = Annotated[
    list[str] | None,
    typer.Option("--author", metavar="NAME", help="Name for CITATION.cff; may be repeated."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="With hf://: say what would be uploaded, and stop.")
]
