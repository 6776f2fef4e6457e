"""What the plan expects of work that was done, to be shown beside what it took."""

from goldenseed.steps.costs.cost import Cost
from goldenseed.steps.costs.drawing import drawing_cost
from goldenseed.steps.costs.measuring import measuring_cost
from pipeline.runs.run import Run
from pipeline.settings.recipe import Sampling


def drawing_expected(run: Run, images: int, *, measured: bool) -> Cost | None:
    """Estimate what drawing some images of a run costs; None if the card has no cost figures.

    Args:
        run: The run.
        images: How many.
        measured: Whether they are measured in the same pass.
    """
    config, prompts = run.config, len(run.prompts)
    sampling = Sampling(
        height=config.height,
        width=config.width,
        num_inference_steps=config.num_inference_steps,
        guidance_scale=config.guidance_scale,
    )
    kept = round(images * len(run.kept_prompts()) / max(1, prompts))
    cost, _ = drawing_cost(run.card, sampling, images=images, kept=kept)
    if cost is None or not measured:
        return cost
    return cost + _measuring(run, images)


def measuring_expected(run: Run, images: int) -> Cost | None:
    """Estimate what measuring some images of a run costs; None if nothing of it is known."""
    cost = _measuring(run, images)
    return cost if cost.gpu_seconds + cost.core_seconds else None


def _measuring(run: Run, images: int) -> Cost:
    each = images / max(1, len(run.prompts))
    return measuring_cost(run.recipe, run.prompts, images=each, frames=run.card.frames).cost
