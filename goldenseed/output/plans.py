"""Print what a recipe will cost."""

from collections.abc import Sequence

from goldenseed.output import tables
from goldenseed.progress import duration
from goldenseed.steps.plan import ArmPlan


def print_plans(plans: Sequence[ArmPlan], *, as_json: bool) -> None:
    """Print the plan of each arm, and what the estimates are based on."""
    if as_json:
        tables.print_json([plan.as_dict() for plan in plans])
        return
    tables.print_rows("plan: nothing is drawn", [_row(plan) for plan in plans])
    for plan in plans:
        if plan.growth:
            tables.line(f"{plan.arm}: {plan.growth}." if plan.arm else f"{plan.growth}.")
    kinds = zip(*((p.basis, p.measuring, p.cores, p.memory, p.expect) for p in plans), strict=True)
    for texts in kinds:
        for text in sorted(set(texts) - {""}):
            tables.line(f"{text}.")


def _row(plan: ArmPlan) -> tables.Row:
    return {
        "arm": plan.arm or "-",
        "card": plan.card,
        "prompts": f"{plan.prompts:,}",
        "seeds": f"{plan.seeds:,}",
        "images": _images(plan),
        "shards": f"{plan.shards:,} ({plan.done:,} done)",
        "size": tables.number_of_bytes(plan.image_bytes + plan.feature_bytes),
        "time": _time(plan),
    }


def _images(plan: ArmPlan) -> str:
    if plan.images_left == plan.cells:
        return f"{plan.cells:,}"
    return f"{plan.cells:,} ({plan.images_left:,} to draw)"


def _time(plan: ArmPlan) -> str:
    if plan.seconds is None:
        return "unknown"
    if plan.gpu_hours is None:
        return duration(plan.seconds)
    return f"{plan.gpu_hours:,.1f} GPU-hours, {plan.cpu_hours or 0:,.1f} CPU-hours"
