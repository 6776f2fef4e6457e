"""Search: draw only what a race over the seeds asks for, until it ends with a list.

The grid is that of the recipe, its prompts of set 1 alone; a tile is one seed with one unit of
prompts, so the race may ask for any seed's next unit. Every round draws the tiles it lacks
through the ordinary stage. Nothing is remembered but the shards: the same command again runs the
same race on what is drawn and goes on where it stopped. A full `goldenseed run` of the same
folder later draws the rest.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells.cells import read_cells
from analysis.metrics import Metric
from analysis.per_seed import metric_identity
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.racing import Plan, RaceResult, plan_race, run_race, uniform_error
from analysis.statistics.reliability import golden_by_expected_error
from analysis.studies.results import plain
from analysis.study_tools.race_units import (
    bundle_numbers,
    cut_units,
    race_metric,
    unit_values,
)
from goldenseed.progress import note
from goldenseed.steps import begin, steps
from pipeline.cards.card import find_card, resolve
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.conditions import FOLDER, Conditions, bring_conditions, check_conditions
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Block, Tile, cut
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import RUN_FILE, SEARCH_FILE
from pipeline.runs.run import Run
from pipeline.settings.choices import TileShape
from pipeline.settings.recipe import Recipe

CHOOSING_SET = 1
LEAST_SEEDS = 16


@dataclass(frozen=True)
class Search:
    """What a search is asked for.

    Attributes:
        metric: Name of the metric; the one that the recipe ranks by if empty.
        share: Share of the seeds in the list; the recipe's if 0.
        budget: Share of the grid that may be drawn.
        error: Probability that any certain seed is wrong, at most.
    """

    metric: str = ""
    share: float = 0.0
    budget: float = 0.2
    error: float = 0.1


class Incomplete(Exception):
    """Some shards of a round have no result: the same command tries them again."""

    def __init__(self, results: list[steps.Result]) -> None:
        super().__init__(f"{sum(len(result.errors) for result in results)} shards have no result")
        self.results = results


class AskedRun(Run):
    """A run of which only some tiles count as missing: those that the race has asked for."""

    asked: frozenset[str] = frozenset()

    def missing(self) -> list[Tile]:
        """The tiles asked for without a whole shard, in drawing order."""
        return [tile for tile in super().missing() if tile.id in self.asked]


def start_search(recipe: Recipe, out: Path, *, metric: str = "") -> Run:
    """Begin a search's run, or open it if it is there.

    Its grid is the recipe's seeds and its prompts of set 1, a block for each unit of at least
    `tile.prompts` prompts, see `cut_units`.

    Args:
        recipe: What to draw from.
        out: The run folder.
        metric: See `Search`; a kernel distance needs units of 2 groups.

    Raises:
        ConfigError: If the recipe has arms, the prompts make too few units, or the metric's
            reference is missing.
        RunError: If the folder holds another run, or one that was not begun by a search.
    """
    if recipe.arms:
        raise ConfigError(
            f"recipe {recipe.name} has arms; a search draws one run: take one of them"
        )
    begin.check_recipe(recipe)
    chosen = race_metric(recipe.ranking, metric)
    chosen.check()
    if len(recipe.seeds.values()) < LEAST_SEEDS:
        raise ConfigError(
            f"{len(recipe.seeds.values())} seeds; a search needs at least {LEAST_SEEDS}"
        )
    found = begin.load_prompts(recipe)
    prompts = [prompt for prompt in found.prompts if prompt.set == CHOOSING_SET]
    if not prompts:
        raise ConfigError(
            f"none of the {len(found.prompts):,} prompts is of set {CHOOSING_SET}, which a search "
            f"draws; bring more prompts, or raise `prompts.count`"
        )
    units = _units(prompts, recipe.tile.prompts, chosen.least_groups)
    shape = TileShape(seeds=1, prompts=max(map(len, units)))
    run = _begin(recipe.model_copy(update={"tile": shape}), out, prompts, found.report.path)
    _refuse_other_grid(run, recipe.seeds.values(), units)
    for unit in units:
        run.grow(recipe.seeds.values(), unit)
    return run


def _units(prompts: list[Prompt], least: int, each: int) -> list[list[Prompt]]:
    """The prompts in units; both they and groups in the order of hashes, as good as random."""
    prompts = sorted(prompts, key=lambda prompt: prompt.id)
    groups = [prompt.group for prompt in prompts]
    order = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode()).digest())
    return [
        [prompts[place] for place in unit]
        for unit in cut_units(groups, least, order, least_groups=each)
    ]


def _begin(recipe: Recipe, out: Path, prompts: list[Prompt], source: str) -> Run:
    card = find_card(recipe.card)
    begun = read_identity(out).config.revision if (out / RUN_FILE).is_file() else ""
    (config,) = recipe.run_configs(resolve(card, begun)).values()
    pictures = Path(source).parent / FOLDER
    check_conditions(card, prompts, Conditions(pictures), (config.width, config.height))
    run = AskedRun.start(out, config, recipe)
    bring_conditions(prompts, pictures, run.store)
    return run


def _refuse_other_grid(run: Run, seeds: list[int], units: list[list[Prompt]]) -> None:
    """Refuse a grid that is not this search's, nor the beginning of it."""
    wanted = [(tuple(seeds), tuple(prompt.id for prompt in unit)) for unit in units]
    there = [(block.seeds, block.prompt_ids) for block in run.blocks]
    if there != wanted[: len(there)]:
        raise RunError(
            f"{run.root} holds another grid than this search would begin; give the search a "
            f"folder of its own (--out)"
        )


def run_search(run: Run, search: Search, workers: steps.Workers) -> dict[str, Any]:
    """Run the race, drawing what it asks for, and keep what it found in `search.json`.

    Args:
        run: From `start_search`.
        search: What is asked for.
        workers: Where images are drawn and measured.

    Returns:
        What was found, JSON-ready.

    Raises:
        ConfigError: If the budget is too small or the metric cannot be raced.
        Incomplete: If shards have no result.
    """
    metric = race_metric(run.recipe.ranking, search.metric)
    ranked = run.recipe.ranking.share if run.recipe.ranking else 0.25
    seeds, blocks = list(run.blocks[0].seeds), run.blocks
    top = max(1, round((search.share or ranked) * len(seeds)))
    try:
        plan = plan_race(len(seeds), len(blocks), top=top, budget=search.budget, error=search.error)
    except ValueError as error:
        raise ConfigError(f"{error}: more prompts, smaller `tile.prompts`, or --budget") from error
    note(
        f"search: {plan.cost / len(seeds) / len(blocks):.0%} of the grid in {len(plan.looks)} looks"
    )
    drawn = _Drawing(run, metric, workers, seeds)
    rng = np.random.default_rng([int(run.run_id, 16), int(run.grid_hash, 16)])
    group = {prompt.id: prompt.group for prompt in run.prompts.values()}
    bundles = bundle_numbers([{group[name] for name in block.prompt_ids} for block in blocks])
    raced = run_race(plan, drawn.observe, rng, bundles)
    found = _report(run, metric, search, plan, raced, seeds, rng)
    run.store.replace(SEARCH_FILE, json.dumps(plain(found), indent=1).encode() + b"\n")
    return found


class _Drawing:
    """Draws and measures what a race asks for, and gives the values."""

    def __init__(self, run: Run, metric: Metric, workers: steps.Workers, seeds: list[int]) -> None:
        self.run = AskedRun.open(run.root)
        self.metric, self.workers, self.seeds = metric, workers, seeds

    def observe(self, seeds: Indices, units: range) -> Floats:
        """Values of these seeds on these units, shape (A, units); drawn first where missing."""
        blocks = [self.run.blocks[unit] for unit in units]
        chosen = [self.seeds[place] for place in seeds]
        self.run.asked |= {tile.id for block in blocks for tile in _tiles(block, chosen)}
        results = [steps.generate(self.run, self.workers, measure=True)]
        if not results[0].errors:
            results.append(steps.extract(self.run, self.workers))
        if any(result.errors for result in results):
            raise Incomplete(results)
        return self._values(chosen, blocks)

    def _values(self, seeds: list[int], blocks: list[Block]) -> Floats:
        needs = self.metric.needs
        cells = read_cells(self.run, needs, sets=[CHOOSING_SET])
        rows = np.searchsorted(cells.seeds, seeds)
        place = {prompt.id: i for i, prompt in enumerate(cells.prompts)}
        names = {need.rpartition(".")[0] for need in needs}
        bad = np.any([cells.missing[n] | cells.failed[n] for n in names], axis=0)[rows]
        columns = {need: cells.columns[need][rows] for need in needs}
        groups = [prompt.group for prompt in cells.prompts]
        units = [_good(block, place, bad.any(axis=0)) for block in blocks]
        for unit in units:
            _refuse_few(len({groups[i] for i in unit}), self.metric.least_groups)
        return unit_values(self.metric, columns, groups, units)


def _tiles(block: Block, seeds: Iterable[int]) -> list[Tile]:
    wanted = set(seeds)
    return [tile for tile in cut(block) if wanted.issuperset(tile.seeds)]


def _good(block: Block, place: dict[str, int], bad: NDArray[np.bool_]) -> Indices:
    """Places of a unit's prompts, those left out that failed for any of the seeds asked for."""
    places = np.sort([place[prompt] for prompt in block.prompt_ids])
    return np.asarray(places[~bad[places]])


def _refuse_few(found: int, needed: int) -> None:
    if found < needed:
        raise RunError(
            f"failed cells leave prompts of {found} groups in a unit; at least {needed} are "
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
    """A listed seed: its deviation from the panel, positive is better, with what holds for it."""
    return {
        "seed": seeds[i],
        "value": float(raced.value[i]),
        "low": float(raced.low[i]),
        "high": float(raced.high[i]),
        "probability": float(probability[i]),
        "certain": bool(raced.certain[i]),
        "images": int(images[i]),
    }
