"""The steps of the path, each a function from a run to a result.

`goldenseed.steps.begin` gives the runs. The command line only reads arguments, calls these
functions and prints; a Python script can call them too.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from analysis import per_seed
from analysis.extraction.extract import (
    ExtractStage,
    FeatureSink,
    missing_extractions,
    run_features,
)
from analysis.metrics import load_metric
from analysis.ranking import rank as ranks
from analysis.ranking.result import Ranking, nothing_ranked
from analysis.seed_shares import fewest_draws, share_table
from goldenseed.progress import follow, note
from goldenseed.steps.costs.expected import drawing_expected, measuring_expected
from goldenseed.steps.prompt_notes import note_cut_texts
from goldenseed.steps.publishing import Wanted, publish_run
from goldenseed.steps.result import Result, collect
from pipeline.errors import ConfigError, RunError, counted
from pipeline.executors.base import make_executor
from pipeline.runs import grid
from pipeline.runs.drivers import Claims
from pipeline.runs.run import Run
from pipeline.stage import Outcome, Task
from pipeline.storage.manifest import compact

T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class Workers:
    """Where stages run.

    Attributes:
        executor: Name of the executor.
        count: Number of actors; None lets the executor decide.
    """

    executor: str = "ray"
    count: int | None = None


def generate(
    run: Run,
    workers: Workers,
    *,
    part: tuple[int, int] = (1, 1),
    measure: bool = False,
    only: Collection[str] | None = None,
) -> Result:
    """Draw the images that a run lacks.

    Args:
        run: The run.
        workers: Where to draw.
        part: (i, n) draws only the i-th of n parts of the tiles.
        measure: Measure the recipe's features in the same pass, while pixels are in memory. This
            is always done if the recipe does not keep all images.
        only: Ids of the tiles to draw; None for all.
    """
    from pipeline.drawing.stage import generate_stage  # loads torch and diffusers

    run.settle()
    recipe = run.recipe
    sinks = (
        []
        if recipe.keeps_all_images and not measure
        else [FeatureSink(run.root, recipe.features, recipe)]
    )

    def draw(claims: Claims) -> Result:
        if not recipe.keeps_all_images:
            _set_aside_unmeasured(run, claims, only)
        tiles = _chosen(grid.part(run.missing(), *part), only)
        cells = sum(len(tile.cells) for tile in tiles)
        executor = make_executor(workers.executor, workers.count)
        if tiles and sinks:
            _fetch_weights(run)
        stage = generate_stage(run, sinks) if tiles else None
        outcomes = executor.run(stage, claims.unclaimed(tiles)) if stage else []
        return collect(run, _title("generate", run), outcomes, cells, claims)

    result = _share(run, "generate", draw)
    compact(run.images)
    return replace(result, expected=drawing_expected(run, result.done, measured=bool(sinks)))


def _fetch_weights(run: Run) -> None:
    """Download the weights of the recipe's features once, before workers need them."""
    for feature in run_features(run, run.recipe.features):
        feature.fetch()


def _share(run: Run, step: str, work: Callable[[Claims], Result]) -> Result:
    """Do a step beside other processes: first what they have not begun, then what they left."""
    with Claims(run.store, step, recipe=run.recipe.name, tell=note) as claims:
        result = work(claims)
        while claims.elsewhere:
            claims.wait()
            result = result.then(work(claims))
    return result


def _chosen(tasks: Iterable[T], only: Collection[str] | None) -> list[T]:
    return [task for task in tasks if only is None or task.id in only]


def _set_aside_unmeasured(run: Run, claims: Claims, only: Collection[str] | None) -> None:
    """Set aside the shards that lack features and did not keep all images, to draw them again.

    This repairs a run that was killed between drawing and measuring, and gives a new feature to
    a run without images.
    """
    tasks = [
        task
        for task in _chosen(missing_extractions(run, run.recipe.features), only)
        if not claims.is_elsewhere(task.id)  # drawn, and about to be measured
    ]
    if tasks:
        count = counted(len(tasks), "shard lacks", "shards lack")
        note(f"{count} features, and not all images were kept: drawing again")
    for task in tasks:
        run.images.supersede(task.shard_id, task.block)


def extract(run: Run, workers: Workers, *, only: Collection[str] | None = None) -> Result:
    """Measure the features of the images that lack them. Draws no images.

    Args:
        run: The run.
        workers: Where to measure.
        only: Ids of the shards to measure; None for all.
    """
    run.settle()
    names = run.recipe.features
    note_cut_texts(run.recipe, names, run.prompts.values())
    cells = {tile.id: len(tile.cells) for tile in run.tiles()}

    def extract_missing(claims: Claims) -> Result:
        tasks = _chosen(missing_extractions(run, names), only)
        executor = make_executor(workers.executor, workers.count)
        stage = ExtractStage(run.root, names, run.recipe)
        if tasks:
            _fetch_weights(run)
        outcomes = executor.run(stage, claims.unclaimed(tasks)) if tasks else []
        total = sum(cells[task.id] for task in tasks)
        return collect(run, _title("measure", run), outcomes, total, claims)

    result = _share(run, "measure", extract_missing)
    return replace(result, expected=measuring_expected(run, result.done))


def measure(run: Run, workers: Workers) -> list[Result]:
    """Measure the features of each image, then the recipe's metrics of each seed."""
    result = extract(run, workers)
    if not result.errors:
        measure_seeds(run, workers)
    return [result]


def measure_seeds(run: Run, workers: Workers) -> None:
    """Compute the recipe's metrics of each seed from measured images, and write the table."""
    per_seed.measure(run, run.recipe.metrics, spread=partial(_spread, run, workers))


def _spread(
    run: Run, workers: Workers, stage: per_seed.MeasureStage, parts: Sequence[per_seed.Part]
) -> Iterator[Outcome]:
    """Measure parts of the seeds of a run on an executor, and show the progress."""
    executor = make_executor(workers.executor, workers.count)
    total = stage.images * len(run.seeds)
    return follow(executor.run(stage, parts), what=_title("distances", run), total=total)


def draw_and_measure(run: Run, workers: Workers) -> list[Result]:
    """Draw the missing images, then measure what is not measured yet.

    The recipe's `measure` says whether new images are measured in the same pass. The weights of its
    features are fetched first: what is missing is said before the first image.
    """
    if next(iter(run.missing()), None) is not None:
        _fetch_weights(run)
    result = generate(run, workers, measure=run.recipe.measure == "while_drawing")
    if result.errors or not has_images(run):
        return [result]
    return [result, *measure(run, workers)]


def has_images(run: Run) -> bool:
    """Whether any image of a run is usable; true as well if nothing was drawn yet."""
    receipts = list(run.images.receipts())
    return not receipts or any(receipt.failed < receipt.rows for receipt in receipts)


def refuse_without_images(runs: Iterable[Run]) -> None:
    """Refuse runs none of whose images is usable.

    Raises:
        RunError: If there is one; the message says what became of its first image.
    """
    for run in runs:
        if not has_images(run):
            receipt = next(run.images.receipts())
            row = run.images.read(receipt).slice(0, 1).to_pylist()[0]
            raise RunError(
                f"{run.root}: none of the images that were drawn is usable; the first is "
                f"{row['status']} ({row['reason']}). Change the settings or the model that "
                f"cause this, and start a new run"
            )


def rank(run: Run) -> Ranking:
    """Rank the seeds by the recipe's metric and save the ranking in the run folder.

    Raises:
        ConfigError: If the recipe names no metric to rank by.
    """
    if run.recipe.ranking is None:
        raise ConfigError(nothing_ranked(run.recipe.name))
    metric = load_metric(run.recipe.ranking.metric)
    note_cut_texts(run.recipe, metric.features, run.prompts.values())
    ranking = ranks.rank(run)
    ranks.save_ranking(run, ranking)
    return ranking


def conclude(run: Run) -> tuple[Ranking, list[dict[str, Any]], Path | None]:
    """Rank a run that is measured, and publish it if it is on a disk.

    Returns:
        The ranking, the variance shares, and the release folder, None without one.
    """
    ranking, shares = rank(run), seed_shares(run)
    if isinstance(run.root, Path):
        return ranking, shares, publish_run(run, Wanted())
    note(f"a release is a folder on a disk: `goldenseed publish {run.root} --to FOLDER`")
    return ranking, shares, None


def seed_shares(run: Run) -> list[dict[str, Any]]:
    """Compute the shares of seed, prompt and rest of each measure of a run, for a first look.

    Returns:
        The rows of `analysis.seed_shares.share_table`; none if the run has no measure with one
        number per image, or too few images for one.
    """
    try:
        return share_table(run, draws=fewest_draws(run)).to_dicts()
    except RunError as error:
        note(f"no variance shares: {error}")
        return []


def _title(step: str, run: Run) -> str:
    """The step's name, with that of the arm if the recipe has arms."""
    return f"{step} {run.root.name}" if run.recipe.arms else step
