"""What a run is: model, noise, size, and how far it is drawn."""

from analysis.publish.pages import visible
from analysis.publish.report.available import Part
from pipeline.noise import noise_description
from pipeline.runs.run import Run
from pipeline.settings.config import RunConfig
from pipeline.storage.manifest import receipt_index

DEMONSTRATION = (
    "These results come from a small model that was trained to show the method. They say nothing "
    "about seeds of any other model, and the images are not good pictures."
)


def facts(run: Run) -> Part:
    """Gather the facts of a run."""
    config, card = run.config, run.card
    receipts = receipt_index(run.images).values()
    cells = len(run.seeds) * len(run.prompts)
    drawn = sum(receipt.rows for receipt in receipts)
    return {
        "name": visible(run.recipe.name),
        "run": visible(run.root.name),
        "run_id": run.run_id,
        "grid_hash": run.grid_hash,
        "card": visible(card.name),
        "licence": visible(card.licence),
        "demonstration": DEMONSTRATION if card.demonstration else "",
        "seeds": len(run.seeds),
        "prompts": len(run.prompts),
        "sets": [sum(p.set == number for p in run.prompts.values()) for number in (1, 2, 3)],
        "groups": len({prompt.group for prompt in run.prompts.values()}),
        "cells": cells,
        "drawn": drawn,
        "failed": sum(receipt.failed for receipt in receipts),
        "unfinished": drawn < cells,
        "noise": noise_description(config.noise, run.latents_shape),
        "settings": _settings(config),
        "features": [*run.recipe.features],
    }


def _settings(config: RunConfig) -> dict[str, object]:
    if config.imported:
        return {visible(name): visible(value) for name, value in config.imported.items()}
    return {
        "scheduler": config.scheduler,
        "steps": config.num_inference_steps,
        "guidance scale": config.guidance_scale,
        "eta": config.eta,
        "size": f"{config.width} × {config.height}",
        "data type": config.dtype,
        "intervention": config.intervention.name,
        "negative prompt": visible(config.negative_prompt) or "none",
    }
