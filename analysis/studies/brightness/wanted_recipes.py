"""Write the recipes that draw the prompts for extreme brightness with the same model."""

from typing import Any

from analysis.study_tools.recipes import recipe_like
from pipeline.runs.run import Run


def wanted_recipes(run: Run) -> dict[str, str]:
    """Recipes with interventions, with zero terminal SNR, and with other numbers of steps.

    Returns:
        Name of the recipe -> YAML.
    """
    measured = {"features": ["appearance"], "metrics": [], "ranking": None}
    changes = {"prompts": {"source": "brightness"}, **measured}
    note = "Prompts for extreme brightness. Then: goldenseed study brightness RUN/baseline"
    arms: dict[str, dict[str, Any]] = {
        "brightness_interventions": {
            name: {"intervention": intervention} for name, intervention in _interventions().items()
        },
        # A recipe of its own: a model that predicts epsilon refuses zero_snr, and with it the
        # whole recipe.
        "brightness_zero_snr": {"zero_snr": {"intervention": {"name": "zero_snr"}}},
        "brightness_steps": {f"steps{n}": {"num_inference_steps": n} for n in (1, 2, 5, 10, 50)},
    }
    return {
        name: recipe_like(run, {**changes, "arms": {"baseline": {}, **changed}}, note=note)
        for name, changed in arms.items()
    }


def _interventions() -> dict[str, dict[str, Any]]:
    """Name of the arm -> intervention with its parameters."""
    offset = {"weights": "seedling/weights/offset-noise.safetensors"}
    interventions: dict[str, dict[str, Any]] = {
        f"offset{scale:g}": {"name": "offset_noise", "parameters": {**offset, "scale": scale}}
        for scale in (0.25, 0.5, 1.0)
    }
    first_step = {"weights": "seedling/weights/seedling-singdiffusion"}
    interventions["singdiffusion"] = {"name": "singdiffusion", "parameters": first_step}
    return interventions
