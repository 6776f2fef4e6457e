"""The steps of the path, each a function from a recipe or a run folder to a result.

The command (`cli.py`) only parses, prints and maps errors; whoever scripts goldenseed in
Python calls these.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import per_seed
from analysis import ranking as ranks
from analysis.extract import ExtractStage, FeatureSink, missing_extractions
from analysis.features import load_features
from analysis.metrics import load_metric
from analysis.publish import publish as write_release
from analysis.ranked import Ranking
from analysis.studies.variance import variance_table
from goldenseed.progress import follow, note
from pipeline import grid
from pipeline.cards import find_card, resolve
from pipeline.choices import SeedChoice
from pipeline.conditions import FOLDER, Conditions, bring_conditions, check_conditions
from pipeline.config import Recipe
from pipeline.errors import ConfigError, PromptError, RunError, nearest
from pipeline.executors.base import make_executor
from pipeline.groups import check_groups
from pipeline.manifest import compact
from pipeline.noise import noise_spec
from pipeline.prompt_sets import PromptSet, read_prompts
from pipeline.runs import RUN_FILE, Run
from pipeline.stage import Outcome

PROMPTS = Path(__file__).parent.parent / "prompts"
"""The shipped prompt files."""


@dataclass(frozen=True)
class Workers:
    """Where stages run.

    Attributes:
        executor: Name of the executor.
        count: Actors; None leaves it to the executor.
    """

    executor: str = "ray"
    count: int | None = None


@dataclass(frozen=True)
class Result:
    """What a step over many shards came to.

    Attributes:
        step: Its name.
        done: Cells worked on now.
        failed: Cells among them without a usable image.
        errors: "task: reason" of every shard that has no result.
        truncated: Prompts that the text encoder cut off.
    """

    step: str
    done: int
    failed: int
    errors: tuple[str, ...]
    truncated: int = 0


def choose(recipe: Recipe, *, seeds: str = "", prompts: int | None = None) -> Recipe:
    """The recipe with seeds and number of prompts as the command line wants them.

    Args:
        recipe: The recipe.
        seeds: "start:stop" or a count; empty keeps the recipe's.
        prompts: Number of prompts; None keeps the recipe's.
    """
    changes: dict[str, object] = {}
    if seeds:
        changes["seeds"] = SeedChoice.parse(seeds)
    if prompts is not None:
        changes["prompts"] = recipe.prompts.model_copy(update={"count": prompts})
    return recipe.model_copy(update=changes)


def check_recipe(recipe: Recipe) -> None:
    """Load everything that a recipe names, so that a misspelling costs seconds and not hours.

    Raises:
        GoldenseedError: If a card, feature, metric, intervention or noise spec is unknown; the
            message names the nearest.
    """
    find_card(recipe.card)
    load_features(recipe.features)
    for name in recipe.feature_prompts:
        if name not in recipe.features:
            raise ConfigError(
                f"`feature_prompts` names {name!r}, which is none of the recipe's features: "
                f"{nearest(name, recipe.features)}{', '.join(recipe.features) or 'it has none'}"
            )
    ranked = [recipe.ranking.metric] if recipe.ranking else []
    for name in (*recipe.metrics, *ranked):
        missing = set(load_metric(name).features) - set(recipe.features)
        if missing:
            raise ConfigError(
                f"metric {name} needs the feature {', '.join(sorted(missing))}; add it to the "
                f"recipe's `features`"
            )
    for sampling in (recipe.sampling, *recipe.arms.values()):
        if sampling.intervention is not None:
            check_groups(
                sampling.intervention.name,
                batch_size=recipe.batch_size,
                tile_seeds=recipe.tile.seeds,
                seeds=recipe.seeds.values(),
            )
        noise_spec(sampling.noise or "torch-cpu")


def load_prompts(recipe: Recipe) -> PromptSet:
    """The prompts that a recipe names: all, those it chose, the first `count` by their ids.

    An id is a hash, so any number of them is a fair sample of a file that is sorted by object
    or category, and a larger number only adds to a smaller one.

    Raises:
        PromptError: If the file is missing or malformed, has fewer than `count`, or lacks one
            that the recipe chose.
    """
    source = recipe.prompts.source
    shipped = PROMPTS / f"{source}.jsonl"
    found = _chosen(recipe, read_prompts(shipped if shipped.is_file() else Path(source)))
    count = recipe.prompts.count
    if count is not None and count > len(found.prompts):
        raise PromptError(
            f"{source} holds {len(found.prompts):,} prompts and the recipe wants {count:,}; "
            f"lower `prompts.count` (or --prompts) or bring more prompts"
        )
    if count is None:
        return found
    return PromptSet(tuple(sorted(found.prompts, key=lambda p: p.id)[:count]), found.report)


def _chosen(recipe: Recipe, found: PromptSet) -> PromptSet:
    """The prompts whose ids the recipe lists, if it lists any."""
    wanted = set(recipe.prompts.chosen)
    if not wanted:
        return found
    prompts = tuple(prompt for prompt in found.prompts if prompt.id in wanted)
    missing = wanted - {prompt.id for prompt in prompts}
    if missing:
        raise PromptError(
            f"{recipe.prompts.source} lacks {len(missing):,} of the {len(wanted):,} prompts that "
            f"the recipe chose, for example {min(missing)}; bring the file that they are from"
        )
    return PromptSet(prompts, found.report)


def start_runs(recipe: Recipe, out: Path) -> list[Run]:
    """Open or begin the run of every arm and grow its grid to the recipe's.

    Prints what reading the prompts found, if that is worth knowing.
    """
    check_recipe(recipe)
    prompts = load_prompts(recipe)
    pictures = Path(prompts.report.path).parent / FOLDER
    if prompts.report.n_read != prompts.report.n_kept or prompts.report.n_stripped:
        note(prompts.report.summary())
    card = find_card(recipe.card)
    resolved = resolve(card, _begun_revision(recipe, out))
    if card.revision == "unresolved":
        note(f"card {card.name}: {card.repo} resolved to commit {resolved.revision}")
    runs = []
    for arm, config in recipe.run_configs(resolved).items():
        size = (config.width, config.height)
        check_conditions(card, prompts.prompts, Conditions(pictures), size)
        run = Run.start(out / arm, config, recipe)
        bring_conditions(prompts.prompts, pictures, run.store)
        run.grow(recipe.seeds.values(), prompts.prompts)
        runs.append(run)
    return runs


def _begun_revision(recipe: Recipe, out: Path) -> str:
    """The commit that the run in a folder began with; empty for a new run."""
    for arm in recipe.arms or ("",):
        if (out / arm / RUN_FILE).is_file():
            return Run.open(out / arm).config.revision
    return ""


def open_runs(path: Path) -> list[Run]:
    """The run in a folder, or the runs of its arms."""
    if not (path / RUN_FILE).is_file():
        arms = sorted(file.parent for file in path.glob(f"*/{RUN_FILE}"))
        if arms:
            return [Run.open(arm) for arm in arms]
    return [Run.open(path)]


def generate(
    run: Run, workers: Workers, *, part: tuple[int, int] = (1, 1), measure: bool = False
) -> Result:
    """Draw what a run still lacks.

    Args:
        run: The run.
        workers: Where.
        part: (i, n): only the i-th of n parts of the tiles.
        measure: Measure the recipe's features in the same pass, while pixels are in memory;
            always so where not all images are kept.
    """
    from pipeline.generate import generate_stage  # loads torch and diffusers

    keeps_all = run.recipe.keep_images == "all"
    if not keeps_all:
        _set_aside_unmeasured(run)
    tiles = list(grid.part(run.missing(), *part))
    sinks = [] if keeps_all and not measure else [FeatureSink(run.root, run.recipe.features)]
    cells = sum(len(tile.cells) for tile in tiles)
    executor = make_executor(workers.executor, workers.count)
    outcomes = executor.run(generate_stage(run, sinks), tiles) if tiles else []
    result = _collect(_title("generate", run), outcomes, cells)
    compact(run.images)
    return result


def _set_aside_unmeasured(run: Run) -> None:
    """Let shards be drawn again whose images were not kept and whose features are missing.

    That is how a kill between drawing and measuring is mended, and how a new feature comes to
    a run without images.
    """
    tasks = missing_extractions(run, run.recipe.features)
    if tasks:
        note(f"{len(tasks)} shards lack features and did not keep all images: drawn again")
    for task in tasks:
        run.images.supersede(task.shard_id, task.block)


def extract(run: Run, workers: Workers) -> Result:
    """Measure the features of the images that lack them; draws nothing."""
    names = run.recipe.features
    tasks = missing_extractions(run, names)
    size = {tile.id: len(tile.cells) for tile in run.tiles()}
    executor = make_executor(workers.executor, workers.count)
    outcomes = executor.run(ExtractStage(run.root, names), tasks) if tasks else []
    return _collect(_title("measure", run), outcomes, sum(size[task.id] for task in tasks))


def measure(run: Run, workers: Workers) -> list[Result]:
    """Features of every image, then the recipe's metrics of every seed."""
    result = extract(run, workers)
    if not result.errors:
        per_seed.measure(run, run.recipe.metrics)
    return [result]


def draw_and_measure(run: Run, workers: Workers) -> list[Result]:
    """Draw what is missing, then measure what is not measured yet.

    The recipe's `measure` says whether the images drawn now are measured in the same pass.
    """
    drawn = generate(run, workers, measure=run.recipe.measure == "while_drawing")
    return [drawn] if drawn.errors else [drawn, *measure(run, workers)]


def rank(run: Run) -> Ranking:
    """Rank the seeds by the recipe's metric and keep the ranking in the run folder.

    Raises:
        ConfigError: If the recipe ranks by nothing.
    """
    if run.recipe.ranking is None:
        raise ConfigError(
            f"recipe {run.recipe.name} has no quality metric to rank by; add `ranking: "
            f"{{metric: ...}}` to it"
        )
    ranking = ranks.rank(run)
    ranks.save_ranking(run, ranking)
    return ranking


def publish(run: Run) -> Path:
    """Write the run's ranking as a release.

    Returns:
        Its folder; the same ranking gives the same folder again.
    """
    name = f"{run.recipe.name}-{run.root.name}" if run.recipe.arms else run.recipe.name
    return write_release(run, ranks.read_ranking(run), name=name)


def seed_shares(run: Run) -> list[dict[str, Any]]:
    """How much of the variance of plain image measures belongs to the seed.

    Returns:
        One row per measure: column, share, low, high, n. Empty where appearance was not
        measured or the grid is too small for an interval.
    """
    if "appearance" not in run.recipe.features:
        return []
    try:
        return variance_table(run).filter(source="seed").to_dicts()
    except RunError as error:
        note(f"no variance shares: {error}")
        return []


def _title(step: str, run: Run) -> str:
    """The step, with the arm where a recipe has several."""
    return f"{step} {run.root.name}" if run.recipe.arms else step


def _collect(step: str, outcomes: Iterable[Outcome], total: int) -> Result:
    """Follow a stage to its end; only sums are kept."""
    counts: Counter[str] = Counter()
    errors: list[str] = []
    truncated: set[str] = set()
    for outcome in follow(outcomes, what=step, total=total) if total else ():
        counts.update(done=outcome.cells, failed=outcome.failed)
        truncated.update(outcome.truncated)
        if outcome.fatal:
            raise RunError(f"{step}: {outcome.error}")
        if outcome.error:
            errors.append(
                f"{outcome.task_id}: {outcome.error}" if outcome.task_id else outcome.error
            )
    return Result(step, counts["done"], counts["failed"], tuple(errors), len(truncated))
