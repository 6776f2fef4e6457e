"""From a recipe to run folders: everything checked, prompts and pictures read, the grid grown."""

from pathlib import Path

from analysis.features import load_features
from analysis.features.base import refuse_without_mean
from analysis.metrics import load_metric
from goldenseed.progress import note
from pipeline.cards.card import find_card, resolve
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError, PromptError, nearest
from pipeline.noise import noise_spec
from pipeline.prompts.conditions import FOLDER, Conditions, bring_conditions, check_conditions
from pipeline.prompts.prompt_sets import PromptSet, read_prompts
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import RUN_FILE
from pipeline.runs.run import Run
from pipeline.settings.choices import SeedChoice
from pipeline.settings.groups import check_groups
from pipeline.settings.recipe import Recipe, Sampling
from pipeline.settings.sampling import check_prediction, check_sampling

PROMPTS = PROJECT_ROOT / "prompts"
"""The shipped prompt files."""


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
        GoldenseedError: If a card, feature, metric, intervention or noise spec is unknown (the
            message names the nearest), or what it says of sampling cannot be done.
    """
    card = find_card(recipe.card)
    for feature in load_features(recipe.features):
        refuse_without_mean(feature, card.frames)
    for name in recipe.feature_prompts:
        if name not in recipe.features:
            raise ConfigError(
                f"`feature_prompts` names {name!r}, which is none of the recipe's features: "
                f"{nearest(name, recipe.features)}{', '.join(recipe.features) or 'it has none'}"
            )
    for name in _metrics(recipe):
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
    check_sampling(recipe, card)


def _metrics(recipe: Recipe) -> list[str]:
    """Every metric of a recipe, once, that of its ranking too."""
    ranked = [recipe.ranking.metric] if recipe.ranking else []
    return list(dict.fromkeys([*recipe.metrics, *ranked]))


def check_pictures(recipe: Recipe, prompts: PromptSet) -> Path:
    """Look at every condition of every prompt; give the folder that holds them.

    Raises:
        PromptError: If one is missing, damaged, or of another size than an arm draws.
    """
    card = find_card(recipe.card)
    folder = Path(prompts.report.path).parent / FOLDER
    for arm in recipe.arms.values() or [Sampling()]:
        width = arm.width or recipe.sampling.width or card.width
        height = arm.height or recipe.sampling.height or card.height
        check_conditions(card, prompts.prompts, Conditions(folder), (width, height))
    return folder


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

    Raises:
        GoldenseedError: If anything that the recipe names is not there or cannot be used.
    """
    check_recipe(recipe)
    for name in _metrics(recipe):
        load_metric(name).check()
    prompts = load_prompts(recipe)
    pictures = check_pictures(recipe, prompts)
    if prompts.report.n_read != prompts.report.n_kept or prompts.report.n_stripped:
        note(prompts.report.summary())
    card = find_card(recipe.card)
    resolved = resolve(card, _begun_revision(recipe, out))
    if card.repo and card.revision == "unresolved":
        note(f"card {card.name}: {card.repo} resolved to commit {resolved.revision}")
    runs = []
    for arm, config in recipe.run_configs(resolved).items():
        check_prediction(card, config.scheduler_config, resolved.folder)
        run = Run.start(out / arm, config, recipe)
        bring_conditions(prompts.prompts, pictures, run.store)
        run.grow(recipe.seeds.values(), prompts.prompts)
        runs.append(run)
    return runs


def _begun_revision(recipe: Recipe, out: Path) -> str:
    """The commit that the run in a folder began with; empty for a new run."""
    for arm in recipe.arms or ("",):
        if (out / arm / RUN_FILE).is_file():
            return read_identity(out / arm).config.revision
    return ""


def open_runs(path: Path) -> list[Run]:
    """The run in a folder, or the runs of its arms."""
    if not (path / RUN_FILE).is_file():
        arms = sorted(file.parent for file in path.glob(f"*/{RUN_FILE}"))
        if arms:
            return [Run.open(arm) for arm in arms]
    return [Run.open(path)]
