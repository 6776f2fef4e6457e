"""Open a run that was drawn with Particle Guidance, or write the recipe that draws the run."""

from pathlib import Path

from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

GUIDED = "particle_guidance"
"""Name of the intervention Particle Guidance."""
SCHEDULERS = ("DDIMScheduler", "DDPMScheduler")
"""Schedulers that the intervention supports; a copy, because analysis imports no intervention."""


def open_guided(run: Run, path: str) -> Run:
    """Open the run with Particle Guidance; all other settings must be the same.

    Args:
        run: The run without Particle Guidance.
        path: Folder of the run with Particle Guidance.

    Raises:
        RunError: If the run has another intervention, or another setting differs.
    """
    guided = Run.open(Path(path))
    if guided.config.intervention.name != GUIDED:
        raise RunError(
            f"{path} was drawn with the intervention {guided.config.intervention.name}; {GUIDED} "
            f"is needed: draw it with the recipe that this study writes"
        )
    for name in ("card_sha256", "guidance_scale", "num_inference_steps", "scheduler"):
        needed, value = getattr(run.config, name), getattr(guided.config, name)
        if value != needed:
            raise RunError(f"{path} has {name} {value}; {needed} is needed, as in {run.root}")
    return guided


def guided_recipes(run: Run) -> dict[str, str]:
    """Write the recipe that draws the same grid with Particle Guidance.

    Particle Guidance changes the predicted noise before every step except the last, in groups of
    four consecutive seeds. The recipe therefore rounds tile and batch sizes up to multiples of
    four.

    Returns:
        Name -> recipe. Empty if Particle Guidance cannot draw the run: with a single step, with
        an unsupported scheduler, for videos, or if the network predicts anything but the noise.
    """
    config = run.config
    predicts_noise = config.scheduler_config.get("prediction_type", "epsilon") == "epsilon"
    variance = str(config.scheduler_config.get("variance_type", ""))
    only_noise = predicts_noise and not variance.startswith("learned")
    several_steps, is_image = config.num_inference_steps > 1, config.frames == 1
    if not (config.scheduler in SCHEDULERS and only_noise and several_steps and is_image):
        return {}
    tile = run.recipe.tile
    changes = {
        "sampling": {"intervention": {"name": GUIDED}},
        "batch_size": _multiple_of_four(config.batch_size),
        "tile": {"seeds": _multiple_of_four(tile.seeds), "prompts": tile.prompts},
    }
    note = (
        "The same grid with Particle Guidance, for the study `diversity`:\n"
        "  goldenseed run THIS_FILE --out FOLDER\n"
        "  goldenseed study diversity RUN --set guided=FOLDER"
    )
    return {GUIDED: recipe_like(run, changes, note=note)}


def _multiple_of_four(count: int) -> int:
    """Round up to a multiple of four, the size of a group."""
    return -(-count // 4) * 4
