"""Say what to do when a run folder is given where a recipe is wanted."""

from pathlib import Path

from pipeline.cards.card import IMPORTED
from pipeline.errors import ConfigError, RunError
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import RECIPE_FILE, RUN_FILE
from pipeline.storage.address import local_path


def refuse_run_folder(name: str) -> None:
    """Refuse the folder of a run, or a file in it, as a recipe.

    Args:
        name: Name of a recipe, or a path.

    Raises:
        ConfigError: If it is a run; for imported images, says that they cannot be drawn.
    """
    path = local_path(name)
    if path.suffix in (".yaml", ".yml"):
        return
    folder = path.parent if path.name in (RUN_FILE, RECIPE_FILE) else path
    runs = _runs_in(folder)
    if not runs or not path.exists():
        return
    try:
        imported = read_identity(runs[0]).card.family == IMPORTED
    except RunError:
        imported = False
    if imported:
        raise ConfigError(
            f"{folder} holds imported images: they were drawn elsewhere, so goldenseed cannot draw "
            f"more of them. `measure`, `rank`, `shares`, `study` and `report` work on it; "
            f"`goldenseed import` makes a run of more images"
        )
    raise ConfigError(
        f"{folder} is a run folder, and a recipe is wanted: give the recipe that began the run, "
        f"with --out {folder}"
    )


def _runs_in(folder: Path) -> list[Path]:
    """The folders of runs at a path; none where the file system refuses the name, as too long."""
    try:
        return [
            file.parent for pattern in (RUN_FILE, f"*/{RUN_FILE}") for file in folder.glob(pattern)
        ]
    except OSError:
        return []
