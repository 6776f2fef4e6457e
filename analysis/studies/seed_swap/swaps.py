"""Find the runs that swap the step noise, and the recipe that draws such runs."""

from collections.abc import Mapping
from typing import Any

from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

SWAP_STEPS = (0, 4, 10, 20, 30, 36)
"""Steps of the swaps in the recipe, of 40: at the start, early, in the middle, late."""


def refuse_no_step_noise(run: Run) -> None:
    """Refuse a run whose sampler draws no noise in its steps.

    Raises:
        RunError: If it is DDIM with eta 0.
    """
    if run.config.scheduler == "DDIMScheduler" and run.config.eta == 0:
        raise RunError(
            "this run uses DDIM with eta 0, which draws no step noise; this study needs runs that "
            "draw some: set eta to 1.0 (goldenseed run seedling-mini-swap)"
        )


def swaps_among(run: Run, arms: Mapping[str, Run]) -> dict[str, Run]:
    """The arms that differ from a run only in a swap to one of the run's seeds.

    Args:
        run: The run without a swap.
        arms: Runs of the same checkpoint, by name.

    Raises:
        RunError: If the run has an intervention itself.
    """
    if run.config.intervention.name != "none":
        raise RunError(
            f"this run has the intervention {run.config.intervention.name}; this study needs the "
            f"plain arm next to the swaps: study the arm without an intervention"
        )
    plain = _without_intervention(run)
    return {
        name: arm
        for name, arm in arms.items()
        if arm.config.intervention.name == "seed_swap"
        and _without_intervention(arm) == plain
        and swap_of(arm)[0] in run.seeds
    }


def _without_intervention(run: Run) -> dict[str, Any]:
    return {k: v for k, v in run.config.identity().items() if k != "intervention"}


def swap_of(arm: Run) -> tuple[int, int]:
    """Seed j, whose step noise comes in, and the first step with its noise."""
    parameters = arm.config.intervention.parameters
    return int(parameters["seed"]), int(parameters["step"])


def swap_recipe(run: Run) -> str:
    """The recipe of a run with swaps to either of its first two seeds, early and late."""
    count = run.config.num_inference_steps
    steps = sorted({round(step * count / 40) for step in SWAP_STEPS})
    arms: dict[str, Any] = {"plain": {}}
    for seed in sorted(run.seeds)[:2]:
        for step in steps:
            swap = {"name": "seed_swap", "parameters": {"seed": seed, "step": step}}
            arms[f"to_{seed}_at_{step}"] = {"intervention": swap}
    return recipe_like(
        run,
        {"arms": arms},
        note="Swaps of the step noise to either of two seeds, early and late.\n"
        "Study the arm `plain`: it is compared with the other arms.",
    )
