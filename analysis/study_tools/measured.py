"""Look up which features and metrics a run measures, and read them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from analysis.cells.cells import Sample, read_each_set
from analysis.extraction.extract import run_feature
from analysis.metrics import Metric, load_metric
from analysis.metrics.base import FAILED_CELL
from analysis.per_seed import metric_identity
from pipeline.errors import RunError
from pipeline.runs.run import Run

REPORTING_SET = 3
"""The prompt set on which gains are reported; nothing is ever chosen on it."""

Row = TypeVar("Row")


def features_of(needs: Sequence[str]) -> list[str]:
    """List the features that columns belong to, each once.

    Example:
        >>> features_of(["layout.x", "layout.y", "cell.failed"])
        ['layout']
    """
    names = (need.rpartition(".")[0] for need in needs if need != FAILED_CELL)
    return list(dict.fromkeys(names))


def measured_feature(run: Run, kinds: Sequence[str], *, name: str = "") -> str:
    """Choose the feature of a run's recipe that a study reads.

    Args:
        run: The run.
        kinds: Suitable features, the best first, without "@card".
        name: Name of the feature if the user chooses one; the recipe must measure it.

    Returns:
        Name of the feature, as the recipe spells it.

    Raises:
        RunError: If the recipe measures no such feature.
    """
    measured = run.recipe.features
    suitable = [feature for kind in kinds for feature in measured if feature.split("@")[0] == kind]
    wanted = [name] if name else suitable
    if not wanted or wanted[0] not in measured:
        raise _unmeasured(run, name or " or ".join(kinds))
    return wanted[0]


def refuse_unmeasured(run: Run, needs: Sequence[str]) -> None:
    """Raise if a run's recipe does not name the features of some columns.

    Raises:
        RunError: If a feature is missing; names it and says what to do.
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


def named_metrics(run: Run, names: Iterable[str]) -> list[Metric]:
    """Load the metrics of these names for the images of a run.

    Raises:
        ConfigError: If a metric knows only another world than the run's model draws.
    """
    return [load_metric(name, model=run.card) for name in names]


def directed_metrics(run: Run) -> list[Metric]:
    """List the metrics of a run's recipe that have a better end, each once, in recipe order."""
    names = dict.fromkeys([*run.recipe.metrics, *_ranked(run)])
    return [m for m in named_metrics(run, names) if m.higher_is_better is not None]


def measuring_only(run: Run, metrics: Sequence[Metric]) -> dict[str, Any]:
    """Reduce a run's recipe to the features that some metrics need.

    Args:
        run: The run.
        metrics: The metrics. Other metrics of the run are kept if they need no other features.

    Returns:
        Field of `Recipe` -> value, JSON-ready.
    """
    kept = set(features_of([need for metric in metrics for need in metric.needs]))

    def measurable(name: str) -> bool:
        return kept.issuperset(features_of(load_metric(name).needs))

    recipe = run.recipe.model_dump(mode="json")
    ranking = recipe["ranking"]
    return {
        "features": [name for name in recipe["features"] if name in kept],
        "feature_prompts": {k: v for k, v in recipe["feature_prompts"].items() if k in kept},
        "metrics": [name for name in recipe["metrics"] if measurable(name)],
        "metric_prompts": {k: v for k, v in recipe["metric_prompts"].items() if measurable(k)},
        "ranking": ranking if ranking and measurable(ranking["metric"]) else None,
    }


def _ranked(run: Run) -> list[str]:
    return [run.recipe.ranking.metric] if run.recipe.ranking else []


def distance_and_preference(run: Run, distance: str, preference: str) -> list[Metric]:
    """Choose a metric where lower is better, and a metric where higher is better.

    Args:
        run: The run.
        distance: Name of the first; if empty, the recipe's first metric where lower is better.
        preference: Name of the second; if empty, the first metric where higher is better.

    Raises:
        RunError: If the recipe lacks one of them.
    """
    chosen = []
    for name, higher, what in (
        (distance, False, "a distance (lower is better)"),
        (preference, True, "a preference (higher is better)"),
    ):
        known = named_metrics(run, [name]) if name else directed_metrics(run)
        suitable = [metric for metric in known if metric.higher_is_better is higher]
        if not suitable:
            names = ", ".join(metric.name for metric in known) or "no metric with a better end"
            raise RunError(f"there is {names}; this study needs {what}: add one to `metrics`")
        refuse_unmeasured(run, suitable[0].needs)
        chosen.append(suitable[0])
    return chosen


def read_sets(
    run: Run, needs: Sequence[str], sets: Sequence[int] = (1, 2), *, n: int | None = None
) -> list[Sample]:
    """Read columns of a run's cells, one sample per prompt set.

    Raises:
        RunError: If the recipe does not measure a feature of the columns, a set is empty, or cells
            are missing; the message names the set.
    """
    refuse_unmeasured(run, needs)
    samples = []
    for number, cells in zip(sets, read_each_set(run, needs, sets=sets), strict=True):
        try:
            samples.append(cells.sample(needs, n=n))
        except RunError as error:
            raise RunError(f"prompt set {number}: {error}") from error
    return samples


def by_each(
    metrics: Sequence[Metric], work: Callable[[Metric], Sequence[Row]], *, required: bool
) -> tuple[list[Row], list[str]]:
    """Compute rows for each metric that the run can serve.

    Args:
        metrics: The metrics.
        work: Returns the rows of a metric, or raises RunError.
        required: Whether each metric must succeed, because the user named it.

    Returns:
        The rows of all metrics, in their order, and why metrics are left out.

    Raises:
        RunError: If no metric succeeds, or a required metric fails.

    Example:
        >>> by_each([load_metric("brightness")], lambda metric: [metric.name], required=False)
        (['brightness'], [])
    """
    rows: list[Row] = []
    reasons: list[str] = []
    for metric in metrics:
        try:
            rows += work(metric)
        except RunError as error:
            if required:
                raise
            reasons.append(f"{metric.name} is left out: {error}")
    if not rows:
        raise RunError("; ".join(reasons))
    return rows, reasons


def require(count: int, needed: int, what: str) -> None:
    """Raise if there is too little data.

    Args:
        count: How much there is.
        needed: How much is needed at least.
        what: What is counted, in the plural, and where: "prompt groups in set 2".

    Raises:
        RunError: If `count` is less than `needed`; states both numbers.

    Example:
        >>> require(3, 8, "seeds")
        Traceback (most recent call last):
        ...
        pipeline.errors.RunError: 3 seeds; this study needs at least 8: draw more ...
    """
    if count < needed:
        raise RunError(
            f"{count:,} {what}; this study needs at least {needed:,}: draw more (the same recipe "
            f"with larger `seeds` or `prompts`), then measure"
        )


def identities(
    run: Run, *, metrics: Sequence[Metric] = (), needs: Sequence[str] = ()
) -> dict[str, str]:
    """Collect the identities that findings depend on, of metrics and of columns' features."""
    of_metrics = {f"metric {metric.name}": metric_identity(run, metric) for metric in metrics}
    return of_metrics | {
        f"feature {name}": run_feature(run, name).identity() for name in features_of(needs)
    }
