"""Open the run with Particle Guidance that a run is compared with, or write its recipe."""

from pathlib import Path

from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

GUIDED = "particle_guidance"
"""Name of the intervention."""
SCHEDULERS = ("DDIMScheduler", "DDPMScheduler")
"""Schedulers that it supports: those of the intervention, which the analysis does not import."""


def open_guided(run: Run, path: str) -> Run:
    """Open the run with Particle Guidance; nothing else may be different.

    Args:
        run: The run without Particle Guidance.
        path: Folder of the run with it.

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
    """Write the recipe of the same grid with Particle Guidance; none if it cannot be drawn.

    Particle Guidance changes the predicted noise before every step except the last. It does not
    support a run of one step, another scheduler, a video, or a network that predicts anything
    but the noise. Its groups are four consecutive seeds, so tile and batch sizes are rounded up to
    multiples of four.
    """
    config = run.config
    predicts_noise = config.scheduler_config.get("prediction_type", "epsilon") == "epsilon"
    learned = str(config.scheduler_config.get("variance_type", "")).startswith("learned")
    several_steps = config.num_inference_steps > 1 and config.frames == 1
    if not (config.scheduler in SCHEDULERS and predicts_noise and not learned and several_steps):
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
