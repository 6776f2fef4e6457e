"""Race the seeds of a search: draw only the images that the race requests, and write its list.

Each round draws the tiles that it lacks through the ordinary stage. Only shards are remembered:
repeating the command runs the same race on what is drawn, and continues where it stopped.
`goldenseed run` with the same folder later draws the rest of the grid.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import read_cells
from analysis.metrics import Metric
from analysis.per_seed import metric_identity
from analysis.statistics.arrays import Flags, Floats, Indices
from analysis.statistics.racing import Plan, RaceResult, plan_race, run_race, uniform_error
from analysis.statistics.reliability import golden_by_expected_error
from analysis.studies.results import plain
from analysis.study_tools.race_units import (
    bundle_numbers,
    race_metric,
    unit_values,
)
from goldenseed.progress import note
from goldenseed.steps import steps
from goldenseed.steps.result import Result
from goldenseed.steps.search.start import CHOOSING_SET
from pipeline.errors import ConfigError, RunError, counted
from pipeline.runs.grid import Block, Tile, cut
from pipeline.runs.layout import SEARCH_FILE
from pipeline.runs.run import Run
from pipeline.storage.sealed import seal

DEFAULT_SHARE = 0.25
"""Share of the seeds to list if neither the search nor the recipe's ranking says one."""


@dataclass(frozen=True)
class Search:
    """The settings of a search.

    Attributes:
        metric: Name of the metric; if empty, the metric that the recipe ranks by.
        share: Share of the seeds to list; if 0, the share of the recipe's ranking.
        budget: Share of the grid that may be drawn.
        error: Largest probability that any of the seeds called certain is wrong.
    """

    metric: str = ""
    share: float = 0.0
    budget: float = 0.2
    error: float = 0.1


class Incomplete(Exception):
    """Some shards of a round have no result; repeating the command tries them again.

    Attributes:
        results: What the steps of the race did, with their errors.
    """

    def __init__(self, results: list[Result]) -> None:
        failed = sum(len(result.errors) for result in results)
        super().__init__(f"{counted(failed, 'shard has', 'shards have')} no result")
        self.results = results


class PartialRun(Run):
    """A run in which only the tiles that a race has requested can be missing.

    Attributes:
        requested: Ids of the requested tiles.
    """

    requested: frozenset[str] = frozenset()

    def missing(self) -> list[Tile]:
        """The requested tiles that have no complete shard, in drawing order."""
        return [tile for tile in super().missing() if tile.id in self.requested]


def run_search(
    run: Run, search: Search, workers: steps.Workers
) -> tuple[dict[str, Any], list[Result]]:
    """Run the race, draw the images that it requests, and write the result to `search.json`.

    Args:
        run: The run that `start_search` gave.
        search: The settings of the search.
        workers: Where images are drawn and measured.

    Returns:
        The content of `search.json`, and what the steps of the race did.

    Raises:
        ConfigError: If the budget is too small or the metric cannot be raced.
        Incomplete: If shards have no result.
    """
    metric = race_metric(run.recipe.ranking, search.metric)
    share = search.share or (run.recipe.ranking.share if run.recipe.ranking else DEFAULT_SHARE)
    seeds, blocks = list(run.blocks[0].seeds), run.blocks
    top = max(1, round(share * len(seeds)))
    try:
        plan = plan_race(len(seeds), len(blocks), top=top, budget=search.budget, error=search.error)
    except ValueError as error:
        raise ConfigError(
            f"{error}; bring more prompts, lower `tile.prompts`, or raise --budget"
        ) from error
    note(
        f"search: {plan.cost / len(seeds) / len(blocks):.0%} of the grid in {len(plan.looks)} looks"
    )
    drawing = _Drawing(run, metric, workers, seeds)
    rng = np.random.default_rng([int(run.run_id, 16), int(run.grid_hash, 16)])
    group = {prompt.id: prompt.group for prompt in run.prompts.values()}
    bundles = bundle_numbers([{group[name] for name in block.prompt_ids} for block in blocks])
    raced = run_race(plan, drawing.observe, rng, bundles)
    result = _report(run, metric, search, plan, raced, seeds, rng)
    run.store.replace(SEARCH_FILE, seal(plain(result)))
    return result, [*drawing.results.values()]


class _Drawing:
    """Draws and measures the images that a race requests, and computes the metric."""

    def __init__(self, run: Run, metric: Metric, workers: steps.Workers, seeds: list[int]) -> None:
        self.run = PartialRun.open(run.root, run.recipe)
        self.metric, self.workers, self.seeds = metric, workers, seeds
        self.results: dict[str, Result] = {}

    def observe(self, seeds: Indices, units: range) -> Floats:
        """Draw missing images, and compute the values of seeds on units, shape (seeds, units).

        Args:
            seeds: Indices into `self.seeds`.
            units: Numbers of the units.
        """
        blocks = [self.run.blocks[unit] for unit in units]
        chosen = [self.seeds[index] for index in seeds]
        self.run.requested |= {tile.id for block in blocks for tile in _tiles(block, chosen)}
        drawn = steps.generate(self.run, self.workers, measure=True)
        self._add(drawn)
        if not drawn.errors:
            self._add(steps.extract(self.run, self.workers))
        if any(result.errors for result in self.results.values()):
            raise Incomplete([*self.results.values()])
        return self._values(chosen, blocks)

    def _add(self, result: Result) -> None:
        """Add the result of a step to that of the same step in earlier looks."""
        before = self.results.get(result.step)
        self.results[result.step] = before.then(result) if before else result

    def _values(self, seeds: list[int], blocks: list[Block]) -> Floats:
        needs = self.metric.needs
        cells = read_cells(self.run, needs, sets=[CHOOSING_SET])
        rows = np.searchsorted(cells.seeds, seeds)
        index = {prompt.id: number for number, prompt in enumerate(cells.prompts)}
        features = {need.rpartition(".")[0] for need in needs}
        unusable = np.any([cells.missing[f] | cells.failed[f] for f in features], axis=0)[rows]
        columns = {need: cells.columns[need][rows] for need in needs}
        groups = [prompt.group for prompt in cells.prompts]
        units = [_usable(block, index, unusable.any(axis=0)) for block in blocks]
        for unit in units:
            _refuse_few(len({groups[i] for i in unit}), self.metric.least_groups)
        return unit_values(self.metric, columns, groups, units)


def _tiles(block: Block, seeds: Iterable[int]) -> list[Tile]:
    wanted = set(seeds)
    return [tile for tile in cut(block) if wanted.issuperset(tile.seeds)]


def _usable(block: Block, index: dict[str, int], unusable: Flags) -> Indices:
    """Indices of a unit's prompts, without prompts that failed for any seed."""
    indices = np.sort([index[prompt] for prompt in block.prompt_ids])
    return np.asarray(indices[~unusable[indices]])


def _refuse_few(groups: int, needed: int) -> None:
    if groups < needed:
        raise RunError(
            f"failed cells leave prompts of {groups} groups in a unit; at least {needed} are "
            f"needed: see the reasons in the shards, or draw with a larger `tile.prompts`"
        )


def _report(
    run: Run,
    metric: Metric,
    search: Search,
    plan: Plan,
    raced: RaceResult,
    seeds: list[int],
    rng: np.random.Generator,
) -> dict[str, Any]:
    probability = raced.probability(rng)
    sizes = np.cumsum([len(block.prompt_ids) for block in run.blocks])
    images = sizes[raced.units - 1]
    return {
        "run_id": run.run_id,
        "grid_hash": run.grid_hash,
        "metric": metric.name,
        "metric_id": metric_identity(run, metric),
        "demonstration": run.card.demonstration,
        "asked": asdict(search),
        "plan": asdict(plan),
        "images": int(images.sum()),
        "images_full": len(seeds) * int(sizes[-1]),
        "error": plan.error,
        "certain": [seeds[i] for i in raced.listed if raced.certain[i]],
        "sure": [seeds[i] for i in golden_by_expected_error(probability, limit=plan.error)],
        "expected_error": float(1 - probability[raced.listed].mean()),
        "expected_error_uniform": uniform_error(raced, rng),
        "list": [_row(raced, probability, images, seeds, int(i)) for i in raced.listed],
    }


def _row(
    raced: RaceResult, probability: Floats, images: NDArray[Any], seeds: list[int], i: int
) -> dict[str, Any]:
    """Describe a listed seed; `value` is its deviation from the panel, positive is better."""
    return {
        "seed": seeds[i],
        "value": float(raced.value[i]),
        "low": float(raced.low[i]),
        "high": float(raced.high[i]),
        "probability": float(probability[i]),
        "certain": bool(raced.certain[i]),
        "images": int(images[i]),
    }
