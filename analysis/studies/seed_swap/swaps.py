"""Find the runs that swap the step noise, and the recipe that draws such runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.study_tools.recipes import recipe_like
from analysis.study_tools.second_seed import refuse_intervention, sampling, second_seed_arms
from pipeline.errors import RunError
from pipeline.runs.run import Run

SWAP_STEPS = (0, 4, 10, 20, 30, 36)
"""Steps of the swaps in the recipe, of 40: at the start, early, in the middle, late."""
ETAS = (0.1, 0.3, 0.5, 0.7, 1.0)
"""Values of DDIM's eta in the recipe. The paper does not state its own."""


@dataclass(frozen=True)
class Swap:
    """A run whose images take the step noise of another seed.

    Attributes:
        name: The run's folder.
        run: The run.
        seed: Seed j, whose step noise comes in.
        step: The first step with its noise, counted from 0.
    """

    name: str
    run: Run
    seed: int
    step: int


@dataclass(frozen=True)
class Family:
    """The run without a swap at one eta, and its swaps.

    Attributes:
        plain: The run without a swap.
        swaps: The swaps, by seed and step.
    """

    plain: Run
    swaps: tuple[Swap, ...]


def families_by_eta(run: Run, arms: Mapping[str, Run]) -> dict[float, Family]:
    """Find the runs that differ from a run only in eta, each with its swaps.

    At eta 0, DDIM draws no step noise, so a swap would draw the images of the plain run again:
    there, the plain run stands for the swaps.

    Args:
        run: The run without a swap.
        arms: Runs of the same checkpoint, by name.

    Returns:
        Eta -> family, by ascending eta; only those with swaps.

    Raises:
        RunError: If the run has an intervention itself.
    """
    refuse_intervention(run, "swaps")
    alike = {
        name: arm for name, arm in arms.items() if sampling(arm, "eta") == sampling(run, "eta")
    }
    plains = [arm for arm in alike.values() if arm.config.intervention.name == "none"]
    by_eta = {plain.config.eta: plain for plain in [*plains, run]}
    families = {eta: Family(by_eta[eta], _swaps_of(by_eta[eta], alike)) for eta in sorted(by_eta)}
    seeds = sorted({swap.seed for family in families.values() for swap in family.swaps})
    if 0.0 in by_eta and not draws_step_noise(by_eta[0.0]):
        still = by_eta[0.0]
        swaps = tuple(Swap(still.root.name, still, j, 0) for j in seeds if j in still.seeds)
        families[0.0] = Family(still, swaps)
    return {eta: family for eta, family in families.items() if family.swaps}


def _swaps_of(plain: Run, arms: Mapping[str, Run]) -> tuple[Swap, ...]:
    """The arms that differ from a run only in a swap to one of the run's seeds."""
    swapping = second_seed_arms(plain, arms, "seed_swap")
    swaps = [Swap(arm.name, arm.run, arm.seed, int(arm.parameters["step"])) for arm in swapping]
    return tuple(sorted(swaps, key=lambda swap: (swap.seed, swap.step)))


def draws_step_noise(run: Run) -> bool:
    """Whether the sampler draws noise in its steps: all do but DDIM with eta 0."""
    return run.config.scheduler != "DDIMScheduler" or run.config.eta != 0


def refuse_no_step_noise(run: Run) -> None:
    """Refuse a run whose sampler draws no noise in its steps.

    Raises:
        RunError: If it is DDIM with eta 0.
    """
    if not draws_step_noise(run):
        raise RunError(
            "this run uses DDIM with eta 0, which draws no step noise; this study needs runs that "
            "draw some: study an arm with an eta above 0 (goldenseed run seedling-mini-swap)"
        )


def swap_recipe(run: Run) -> str:
    """The recipe of a run with swaps to either of its first two seeds.

    It swaps early and late at the run's own eta and, with DDIM, at the first step at other values.
    """
    count = run.config.num_inference_steps
    arms: dict[str, Any] = {"plain": {}}
    for seed in sorted(run.seeds)[:2]:
        for step in sorted({round(step * count / 40) for step in SWAP_STEPS}):
            arms[f"to_{seed}_at_{step}"] = _swapped(seed, step)
    if run.config.scheduler == "DDIMScheduler":
        arms["eta_0"] = {"eta": 0.0}
        for eta in ETAS:
            if eta != run.config.eta:
                arms[f"eta_{eta:g}"] = {"eta": eta}
                for seed in sorted(run.seeds)[:2]:
                    arms[f"eta_{eta:g}_to_{seed}_at_0"] = {"eta": eta, **_swapped(seed, 0)}
    return recipe_like(
        run,
        {"arms": arms},
        note="Swaps of the step noise to either of two seeds: early and late, and at several "
        "values of eta.\nStudy the arm `plain`: it is compared with the other arms.",
    )


def _swapped(seed: int, step: int) -> dict[str, Any]:
    return {"intervention": {"name": "seed_swap", "parameters": {"seed": seed, "step": step}}}
