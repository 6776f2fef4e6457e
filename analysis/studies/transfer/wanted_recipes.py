"""Write recipes that draw the seeds of a run with other models or other sampling."""

from collections.abc import Sequence
from typing import Any

from analysis.metrics import Metric
from analysis.study_tools.measured import measuring_only
from analysis.study_tools.recipes import recipe_like
from pipeline.cards.card import load_cards
from pipeline.runs.run import Run

NOTE = "The same cells, drawn differently. Then: goldenseed study transfer RUN --set runs=..."


def other_ways(run: Run, metrics: Sequence[Metric]) -> dict[str, str]:
    """Write recipes of the same cells, one recipe per family of changes.

    Args:
        run: The run.
        metrics: The metrics of the comparison; the recipes measure only what these need.

    Returns:
        Name of the file, without suffix -> YAML.
    """
    measured = measuring_only(run, metrics)
    changes: dict[str, dict[str, Any]] = {
        **{name: {"arms": arms} for name, arms in _arms(run).items() if arms},
        **{f"model_{card}": {"card": card} for card in _comparable_cards(run)},
    }
    return {
        f"transfer_{name}": recipe_like(run, {**measured, **change}, note=NOTE)
        for name, change in changes.items()
    }


def _arms(run: Run) -> dict[str, dict[str, Any]]:
    """Family of changes -> name of the arm -> changed settings."""
    steps, scale = run.config.num_inference_steps, run.config.guidance_scale
    counts = sorted({max(1, steps // 4), max(1, steps // 2), 2 * steps} - {steps})
    scales = sorted({1.0, scale / 2, 1.5 * scale} - {scale})
    schedulers = ("DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler")
    return {
        "steps": {f"steps{n}": {"num_inference_steps": n} for n in counts},
        "guidance": {f"guidance{w:g}": {"guidance_scale": w} for w in scales if w},
        "schedulers": {
            name.removesuffix("Scheduler").lower(): {"scheduler": name}
            for name in schedulers
            if name != run.config.scheduler
        },
        "interventions": {
            name: {"intervention": {"name": name}} for name in ("seed_scramble", "seed_plant")
        },
    }


def _comparable_cards(run: Run) -> list[str]:
    """Cards of the same family in which a seed is the same noise and that take no condition image.

    Cards whose weights a training writes are left out, because these weights may not exist yet.
    """
    return [
        name
        for name, card in load_cards().items()
        if name != run.config.card
        and (card.family, card.demonstration) == (run.card.family, run.card.demonstration)
        and (card.width, card.height) == (run.config.width, run.config.height)
        and card.latents_shape(card.height, card.width) == run.latents_shape
        and not card.conditions
        and not any(part.path.startswith("checkpoints/") for part in card.parts.values())
    ]
