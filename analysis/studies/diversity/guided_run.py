"""The run with Particle Guidance that another run's seeds are compared with, and its recipe."""

from pathlib import Path

from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

GUIDED = "particle_guidance"
"""Name of the intervention."""
SCHEDULERS = ("DDIMScheduler", "DDPMScheduler")
"""Samplers that it can push, as the intervention says; the analysis does not import it."""


def open_guided(run: Run, path: str) -> Run:
    """The run with Particle Guidance, refused if anything else is different.

    Args:
        run: The run without.
        path: Folder of the run with it.

    Raises:
        RunError: Names what differs, or the intervention found.
    """
    guided = Run.open(Path(path))
    if guided.config.intervention.name != GUIDED:
        raise RunError(
            f"{path} was drawn with the intervention {guided.config.intervention.name}; {GUIDED} "
            f"is needed"
        )
    for name in ("card_sha256", "guidance_scale", "num_inference_steps", "scheduler"):
        mine, other = getattr(run.config, name), getattr(guided.config, name)
        if mine != other:
            raise RunError(f"{path} has {name} {other}; {mine} is needed, as in {run.root}")
    return guided


def guided_recipes(run: Run) -> dict[str, str]:
    """The recipe of the same grid with Particle Guidance; none where there can be no such run.

    It pushes the predicted noise before every step but the last, so a run of one step or by
    another sampler, a video, or a network that is said to predict something else or a variance,
    too, cannot be drawn with it. Its groups are four seeds in a row, so tile and batch are
    rounded up to fours.
    """
    config = run.config
    said = config.scheduler_config
    noise_alone = said.get("prediction_type", "epsilon") == "epsilon" and not str(
        said.get("variance_type", "")
    ).startswith("learned")
    several = config.num_inference_steps > 1 and config.frames == 1
    if not (config.scheduler in SCHEDULERS and noise_alone and several):
        return {}
    tile = run.recipe.tile
    changes = {
        "sampling": {"intervention": {"name": GUIDED}},
        "batch_size": _fours(config.batch_size),
        "tile": {"seeds": _fours(tile.seeds), "prompts": tile.prompts},
    }
    note = (
        "The same grid with Particle Guidance, for the study `diversity`:\n"
        "  goldenseed run THIS_FILE --out FOLDER\n"
        "  goldenseed study diversity RUN --set guided=FOLDER"
    )
    return {GUIDED: recipe_like(run, changes, note=note)}


def _fours(count: int) -> int:
    """The next multiple of four, the size of a group."""
    return -(-count // 4) * 4
