"""What a run's recipe measures: the features that a question about it can be answered from."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from analysis.cells.cells import Sample, read_cells
from analysis.extraction.extract import run_feature
from analysis.metrics import Metric, load_metric
from analysis.metrics.base import FAILED_CELL
from analysis.per_seed import metric_identity
from pipeline.errors import RunError
from pipeline.runs.run import Run

Row = TypeVar("Row")


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
        raise _unmeasured(run, asked or " or ".join(kinds))
    return wanted[0]


def refuse_unmeasured(run: Run, needs: Sequence[str]) -> None:
    """Refuse columns of features that a run's recipe does not name.

    Raises:
        RunError: Names the features, and what to do.
    """
    lacking = [name for name in features_of(needs) if name not in run.recipe.features]
    if lacking:
        raise _unmeasured(run, ", ".join(lacking))


def _unmeasured(run: Run, wanted: str) -> RunError:
    return RunError(
        f"the recipe measures {', '.join(run.recipe.features) or 'no feature'}; this study needs "
        f"{wanted}: add it to `features`, then repeat `goldenseed run`"
    )


def shared_features(runs: Sequence[Run]) -> list[str]:
    """List the features that the recipe of each run measures, in the order of the first run."""
    first, *others = (run.recipe.features for run in runs)
    return [name for name in first if all(name in names for names in others)]


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


def distance_and_preference(run: Run, distance: str, preference: str) -> list[Metric]:
    """A metric where lower is better, and one where higher is.

    Args:
        run: The run.
        distance: Name of the first; the recipe's first such if empty.
        preference: Name of the second; likewise.

    Raises:
        RunError: If there is none of either.
    """
    found = []
    for asked, higher, what in (
        (distance, False, "a distance (lower is better)"),
        (preference, True, "a preference (higher is better)"),
    ):
        known = [load_metric(asked)] if asked else directed_metrics(run)
        fitting = [metric for metric in known if metric.higher_is_better is higher]
        if not fitting:
            names = ", ".join(metric.name for metric in known) or "no metric with a better end"
            raise RunError(f"there is {names}; this study needs {what}: add one to `metrics`")
        refuse_unmeasured(run, fitting[0].needs)
        found.append(fitting[0])
    return found


def read_sets(
    run: Run, needs: Sequence[str], sets: Sequence[int] = (1, 2), *, n: int | None = None
) -> list[Sample]:
    """Columns of a run's cells, one sample per prompt set.

    Raises:
        RunError: If the recipe does not measure a feature of them, a set is empty, or cells are
            missing; the message names the set.
    """
    refuse_unmeasured(run, needs)
    found = []
    for number in sets:
        try:
            found.append(read_cells(run, needs, sets=[number]).sample(needs, n=n))
        except RunError as error:
            raise RunError(f"prompt set {number}: {error}") from error
    return found


def by_each(
    metrics: Sequence[Metric], work: Callable[[Metric], Sequence[Row]], *, asked: bool
) -> tuple[list[Row], list[str]]:
    """Do something by every metric that a run allows.

    Args:
        metrics: The metrics.
        work: Gives what a metric finds.
        asked: Whether they were asked for by name; then each must be allowed.

    Returns:
        What all found, in their order, and why metrics are left out.

    Raises:
        RunError: If none is allowed, or not one that was asked for.

    Example:
        >>> by_each([load_metric("brightness")], lambda metric: [metric.name], asked=False)
        (['brightness'], [])
    """
    found: list[Row] = []
    refused: list[str] = []
    for metric in metrics:
        try:
            found += work(metric)
        except RunError as error:
            if asked:
                raise
            refused.append(f"{metric.name} is left out: {error}")
    if not found:
        raise RunError("; ".join(refused))
    return found, refused


def require(found: int, needed: int, what: str) -> None:
    """Refuse too little data.

    Args:
        found: How much there is.
        needed: How much is needed at least.
        what: Of what, in the plural, with where: "prompt groups in set 2".

    Raises:
        RunError: If `found` is less; gives both numbers.

    Example:
        >>> require(3, 8, "seeds")
        Traceback (most recent call last):
        ...
        pipeline.errors.RunError: 3 seeds; this study needs at least 8: draw more ...
    """
    if found < needed:
        raise RunError(
            f"{found:,} {what}; this study needs at least {needed:,}: draw more (the same recipe "
            f"with larger `seeds` or `prompts`), then measure"
        )


def identities(
    run: Run, *, metrics: Sequence[Metric] = (), needs: Sequence[str] = ()
) -> dict[str, str]:
    """What findings hang on: the identities of metrics and of the features of columns."""
    found = {f"metric {metric.name}": metric_identity(run, metric) for metric in metrics}
    return found | {
        f"feature {name}": run_feature(run, name).identity() for name in features_of(needs)
    }
