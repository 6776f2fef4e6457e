"""What a run's recipe measures: the features that a question about it can be answered from."""

from collections.abc import Sequence
from typing import Any

from analysis.metrics import Metric, load_metric
from analysis.metrics.base import FAILED_CELL
from pipeline.errors import RunError
from pipeline.runs.run import Run


def features_of(needs: Sequence[str]) -> list[str]:
    """The features of columns, each once.

    Example:
        >>> features_of(["layout.x", "layout.y", "cell.failed"])
        ['layout']
    """
    names = (need.rpartition(".")[0] for need in needs if need != FAILED_CELL)
    return list(dict.fromkeys(names))


def measured_feature(run: Run, kinds: Sequence[str], *, asked: str = "") -> str:
    """The feature of a run's recipe that serves a purpose.

    Args:
        run: The run.
        kinds: Features that will do, the best first, without "@card".
        asked: One that the user names; it must be of the recipe.

    Returns:
        Its name as the recipe has it.

    Raises:
        RunError: If the recipe measures none of them.
    """
    measured = run.recipe.features
    fitting = [name for kind in kinds for name in measured if name.split("@")[0] == kind]
    wanted = [asked] if asked else fitting
    if not wanted or wanted[0] not in measured:
        raise RunError(
            f"the recipe measures {', '.join(measured) or 'no feature'}; needed is "
            f"{asked or ' or '.join(kinds)}: add it to `features`, then repeat `goldenseed run`"
        )
    return wanted[0]


def refuse_unmeasured(run: Run, needs: Sequence[str]) -> None:
    """Refuse columns of features that a run's recipe does not name.

    Raises:
        RunError: Names the features, and what to do.
    """
    lacking = [name for name in features_of(needs) if name not in run.recipe.features]
    if lacking:
        raise RunError(
            f"the recipe measures {', '.join(run.recipe.features) or 'no feature'}; this study "
            f"needs {', '.join(lacking)}: add it to `features`, then repeat `goldenseed run`"
        )


def directed_metrics(run: Run) -> list[Metric]:
    """The metrics of a run's recipe that have a better end, each once, in its order."""
    names = dict.fromkeys([*run.recipe.metrics, *_ranked(run)])
    return [m for m in map(load_metric, names) if m.higher_is_better is not None]


def measuring_only(run: Run, metrics: Sequence[Metric]) -> dict[str, Any]:
    """The fields of a recipe that measures like a run, but nothing that some metrics do not need.

    Args:
        run: The run.
        metrics: The metrics; the run's others stay where the same features give them.

    Returns:
        Field of `Recipe` -> value, JSON-ready.
    """
    kept = set(features_of([need for metric in metrics for need in metric.needs]))

    def given(name: str) -> bool:
        return kept.issuperset(features_of(load_metric(name).needs))

    recipe = run.recipe.model_dump(mode="json")
    ranking = recipe["ranking"]
    return {
        "features": [name for name in recipe["features"] if name in kept],
        "feature_prompts": {k: v for k, v in recipe["feature_prompts"].items() if k in kept},
        "metrics": [name for name in recipe["metrics"] if given(name)],
        "metric_prompts": {k: v for k, v in recipe["metric_prompts"].items() if given(k)},
        "ranking": ranking if ranking and given(ranking["metric"]) else None,
    }


def _ranked(run: Run) -> list[str]:
    return [run.recipe.ranking.metric] if run.recipe.ranking else []
