"""The run with Particle Guidance that another run's seeds are compared with, and its recipe."""

from pathlib import Path

import yaml

from pipeline.errors import RunError
from pipeline.runs import Run

GUIDED = "particle_guidance"
"""Name of the intervention."""


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


def guided_recipe(run: Run) -> str:
    """The recipe of the same grid with Particle Guidance.

    Its groups are four seeds in a row, so tile and batch are rounded up to fours.
    """
    recipe = run.recipe
    arm = recipe.arms.get(run.root.name)
    fields = recipe.model_dump(mode="json", exclude_unset=True)
    fields.pop("arms", None)
    fields["name"] = f"{recipe.name[:40]}-particle-guidance"
    sampling = {
        **recipe.sampling.model_dump(mode="json", exclude_unset=True),
        **(arm.model_dump(mode="json", exclude_unset=True) if arm else {}),
    }
    fields["sampling"] = {**sampling, "intervention": {"name": GUIDED}}
    fields["batch_size"] = -(-recipe.batch_size // 4) * 4
    fields["tile"] = {"seeds": -(-recipe.tile.seeds // 4) * 4, "prompts": recipe.tile.prompts}
    head = (
        "# The same grid with Particle Guidance, for the study `diversity`:\n"
        "#   goldenseed run THIS_FILE --out FOLDER\n"
        "#   goldenseed study diversity RUN --set guided=FOLDER\n"
    )
    return head + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
