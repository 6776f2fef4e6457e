"""Begin a search: a run whose grid is cut into units of prompts of set 1.

A tile is one seed with one unit of prompts, so a race can ask for the next unit of any seed.
"""

import hashlib
from pathlib import Path

from analysis.metrics import load_metric
from analysis.study_tools.race_units import cut_units, race_metric
from goldenseed.steps import begin
from goldenseed.steps.prompt_notes import note_prompts
from pipeline.cards.card import resolve
from pipeline.errors import ConfigError, RunError, counted
from pipeline.prompts.conditions import FOLDER, Conditions, bring_conditions, check_conditions
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import RUN_FILE
from pipeline.runs.run import Run
from pipeline.settings.choices import TileShape
from pipeline.settings.recipe import Recipe

CHOOSING_SET = 1
"""The prompt set that chooses seeds; set 2 stays fresh to confirm them."""
LEAST_SEEDS = 16


def start_search(recipe: Recipe, out: Path, *, metric: str = "") -> Run:
    """Begin the run of a search, or open it if it exists.

    Its grid has the recipe's seeds and its prompts of set 1, with one block for each unit of at
    least `tile.prompts` prompts; see `cut_units`.

    Args:
        recipe: The recipe to search.
        out: The run folder.
        metric: Name of the metric; if empty, the metric that the recipe ranks by. A kernel distance
            needs units of 2 prompt groups.

    Raises:
        ConfigError: If the recipe has arms, the prompts make too few units, or the metric's
            reference is missing.
        RunError: If the folder holds another run, or a run that was not begun by a search.
    """
    if recipe.arms:
        raise ConfigError(
            f"recipe {recipe.name} has arms, and a search draws a single run: write a recipe with "
            f"the settings of one arm"
        )
    begin.check_recipe(recipe)
    goal, seeds = race_metric(recipe.ranking, metric), recipe.seeds.values()
    load_metric(goal.name, model=recipe.own_card())
    goal.check()
    if len(seeds) < LEAST_SEEDS:
        raise ConfigError(f"{counted(len(seeds), 'seed')}; a search needs at least {LEAST_SEEDS}")
    prompt_set = begin.load_prompts(recipe)
    note_prompts(recipe, prompt_set)
    prompts = [prompt for prompt in prompt_set.prompts if prompt.set == CHOOSING_SET]
    if not prompts:
        raise ConfigError(
            f"none of the {len(prompt_set.prompts):,} prompts is of set {CHOOSING_SET}, which a "
            f"search draws; bring more prompts, or raise `prompts.count`"
        )
    units = _units(prompts, recipe.tile.prompts, goal.least_groups)
    shape = TileShape(seeds=1, prompts=max(map(len, units)))
    run = _begin(recipe.model_copy(update={"tile": shape}), out, prompts, prompt_set.report.path)
    _refuse_other_grid(run, seeds, units)
    for unit in units:
        run.grow(seeds, unit)
    return run


def _units(prompts: list[Prompt], least: int, groups_each: int) -> list[list[Prompt]]:
    """Cut the prompts into units. Prompts and groups are in the order of hashes: at random."""
    prompts = sorted(prompts, key=lambda prompt: prompt.id)
    groups = [prompt.group for prompt in prompts]
    order = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode()).digest())
    return [
        [prompts[index] for index in unit]
        for unit in cut_units(groups, least, order, least_groups=groups_each)
    ]


def _begin(recipe: Recipe, out: Path, prompts: list[Prompt], source: str) -> Run:
    card = recipe.own_card()
    revision = read_identity(out).config.revision if (out / RUN_FILE).is_file() else ""
    (config,) = recipe.run_configs(resolve(card, revision)).values()
    conditions = Path(source).parent / FOLDER
    check_conditions(card, prompts, Conditions(conditions), (config.width, config.height))
    run = Run.start(out, config, recipe)
    bring_conditions(prompts, conditions, run.store)
    return run


def _refuse_other_grid(run: Run, seeds: list[int], units: list[list[Prompt]]) -> None:
    """Refuse a run whose grid is neither this search's nor the beginning of it."""
    wanted = [(tuple(seeds), tuple(prompt.id for prompt in unit)) for unit in units]
    existing = [(block.seeds, block.prompt_ids) for block in run.blocks]
    if existing != wanted[: len(existing)]:
        raise RunError(
            f"{run.root} holds another grid than this search would begin; give the search a "
            f"folder of its own (--out)"
        )
