"""Begin or open the runs of a recipe: check the recipe, read its prompts, and extend the grids."""

from collections.abc import Mapping
from pathlib import Path

from analysis.features import load_features
from analysis.features.base import refuse_without_mean
from analysis.metrics import load_metric
from analysis.ranking.before_drawing import metrics_not_shown, refuse_unrankable
from analysis.ranking.result import nothing_ranked
from goldenseed.progress import note
from goldenseed.steps.growth import grown_grid
from goldenseed.steps.prompt_notes import note_prompts
from goldenseed.steps.run_as_recipe import refuse_run_folder
from pipeline import models, registry
from pipeline.cards.card import ResolvedCard, check_drawable, resolve
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError, ModelError, PromptError, nearest
from pipeline.noise import noise_spec
from pipeline.prompts.combinations import combined
from pipeline.prompts.conditions import FOLDER, Conditions, bring_conditions, check_conditions
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import PromptSet, read_prompts
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import RECIPE_FILE, RUN_FILE
from pipeline.runs.run import Run
from pipeline.runs.sampling import check_checkpoint, check_sampling
from pipeline.settings.choices import SeedChoice
from pipeline.settings.config import own_source_sha256
from pipeline.settings.groups import check_groups
from pipeline.settings.recipe import Recipe, Sampling, load_recipe
from pipeline.settings.unread import check_negatives_are_read
from pipeline.storage.address import Place, place_of
from pipeline.storage.open_store import store_at

PROMPTS = PROJECT_ROOT / "prompts"
"""The shipped prompt files."""


def choose_recipe(
    name: str, *, seeds: str = "", prompts: int | None = None, allow_code: bool = False
) -> Recipe:
    """Read a recipe, with the seeds, the number of prompts and the permission of a command line.

    Args:
        name: Name of a shipped recipe, or path of a file.
        seeds: See `with_choice`.
        prompts: See `with_choice`.
        allow_code: Whether classes that are named by their dotted path may be imported.
    """
    registry.allow_code(allowed=allow_code)
    refuse_run_folder(name)
    return with_choice(load_recipe(name), seeds=seeds, prompts=prompts)


def with_choice(recipe: Recipe, *, seeds: str = "", prompts: int | None = None) -> Recipe:
    """Replace the recipe's seeds and number of prompts by those of the command line.

    Args:
        recipe: The recipe.
        seeds: A count, "start:stop" or a list "7,11,469"; empty keeps the recipe's seeds.
        prompts: Number of prompts; None keeps the recipe's number.
    """
    changes: dict[str, object] = {}
    if seeds:
        changes["seeds"] = SeedChoice.parse(seeds)
    if prompts is not None:
        changes["prompts"] = recipe.prompts.model_copy(update={"count": prompts})
    return recipe.model_copy(update=changes)


def check_recipe(recipe: Recipe) -> None:
    """Load everything that a recipe names, to find mistakes before the first image is drawn.

    Raises:
        GoldenseedError: If a card, feature, metric, intervention or noise spec is unknown (the
            message names the most similar name), or if the sampling settings cannot be used.
    """
    recipes = recipe.by_card()
    for part in recipes:
        own_source_sha256(models.MODELS, part.own_card().family, "model family")
        for feature in load_features(recipe.features):
            refuse_without_mean(feature, part.own_card().frames)
    check_measures(recipe)
    for sampling in (recipe.sampling, *recipe.arms.values()):
        if sampling.intervention is not None:
            check_groups(
                sampling.intervention.name,
                batch_size=recipe.batch_size,
                tile_seeds=recipe.tile.seeds,
                seeds=recipe.seeds.values(),
            )
        noise_spec(sampling.noise or "torch-cpu")
    for part in recipes:
        check_sampling(part, part.own_card())
        for name in _metrics(recipe):
            load_metric(name, model=part.own_card())


def check_measures(recipe: Recipe) -> None:
    """Refuse a recipe whose metrics need features that it does not name.

    Raises:
        ConfigError: If one does; the message says what to add.
    """
    for name in recipe.feature_prompts:
        if name not in recipe.features:
            raise ConfigError(
                f"`feature_prompts` names {name!r}, which is not one of the recipe's features: "
                f"{nearest(name, recipe.features)}{', '.join(recipe.features) or 'it has none'}"
            )
    for name in _metrics(recipe):
        missing = set(load_metric(name).features) - set(recipe.features)
        if missing:
            raise ConfigError(
                f"metric {name} needs the feature {', '.join(sorted(missing))}; add it to the "
                f"recipe's `features`"
            )


def note_what_stops(recipe: Recipe) -> None:
    """Say on stderr what a plan does not show: no ranking, a feature's limits, a missing model."""
    if recipe.ranking is None:
        note(nothing_ranked(recipe.name))
    for feature in load_features(recipe.features):
        if feature.limits:
            note(f"feature {feature.name}: {feature.limits}")
    for part in recipe.by_card():
        try:
            check_drawable(part.own_card())
        except ModelError as error:
            note(f"this plan cannot be drawn here: {error}")


def _metrics(recipe: Recipe) -> list[str]:
    """List the metrics of a recipe without duplicates, including the metric of its ranking."""
    ranking = [recipe.ranking.metric] if recipe.ranking else []
    return list(dict.fromkeys([*recipe.metrics, *ranking]))


def check_condition_images(recipe: Recipe, prompts: PromptSet) -> Path:
    """Check the condition images of all prompts.

    Returns:
        The folder that holds them.

    Raises:
        PromptError: If a condition image is missing or damaged, or its size is not the size of the
            images that an arm draws.
    """
    folder = Path(prompts.report.path).parent / FOLDER
    for part in recipe.by_card():
        card = part.own_card()
        for arm in part.arms.values() or [Sampling()]:
            width = arm.width or recipe.sampling.width or card.width
            height = arm.height or recipe.sampling.height or card.height
            check_conditions(card, prompts.prompts, Conditions(folder), (width, height))
    return folder


def load_prompts(recipe: Recipe) -> PromptSet:
    """Read the prompts that a recipe names.

    `prompts.chosen` selects prompts of the file by id; if empty, all are selected. Of these, the
    first `prompts.count` in the order of their ids are returned. Ids are hashes, so this is a
    random sample even if the file is sorted, and a larger count returns the same prompts and
    more.

    Raises:
        PromptError: If the file is missing or malformed, holds fewer than `count` prompts, or lacks
            a prompt of `prompts.chosen`.
    """
    source = recipe.prompts.source
    shipped = PROMPTS / f"{source}.jsonl"
    prompt_set = read_prompts(shipped if shipped.is_file() else Path(source))
    if recipe.prompts.combinations:
        prompt_set = combined(prompt_set, recipe.prompts.wildcards)
    prompt_set = _select_chosen(recipe, prompt_set)
    check_negatives_are_read(recipe, prompt_set.prompts)
    count, prompts = recipe.prompts.count, prompt_set.prompts
    if count is None:
        return prompt_set
    if count > len(prompts):
        raise PromptError(
            f"{source} holds {len(prompts):,} prompts, and the recipe wants {count:,}; "
            f"lower `prompts.count` (or --prompts), or add prompts to the file"
        )
    by_id = sorted(prompts, key=lambda prompt: prompt.id)
    return prompt_set.only(by_id[:count])


def _select_chosen(recipe: Recipe, prompt_set: PromptSet) -> PromptSet:
    """Select the prompts whose ids the recipe lists, or all prompts if the list is empty."""
    wanted = set(recipe.prompts.chosen)
    if not wanted:
        return prompt_set
    prompts = tuple(prompt for prompt in prompt_set.prompts if prompt.id in wanted)
    missing = wanted - {prompt.id for prompt in prompts}
    if missing:
        raise PromptError(
            f"{recipe.prompts.source} lacks {len(missing):,} of the {len(wanted):,} prompts of "
            f"`prompts.chosen`, for example {min(missing)}; use the file that holds them"
        )
    return prompt_set.only(prompts)


def refuse_ranking(recipe: Recipe, prompts: Mapping[str, Prompt], out: Place) -> None:
    """Refuse a recipe whose seeds cannot be ranked on the grid that its run will have.

    Says on stderr which other metrics the grid is too small for.

    Args:
        recipe: The recipe.
        prompts: Its prompts, by id.
        out: The run folder, which need not exist; what it holds counts.

    Raises:
        ConfigError: If the metric has no better end, or there are too few seeds or prompts.
    """
    for arm in recipe.arms or ("",):
        growth = grown_grid(recipe, prompts, out / arm)
        refuse_unrankable(recipe, growth.seeds, growth.prompts.values())
        for sentence in metrics_not_shown(recipe, growth.prompts.values()):
            note(f"{out / arm}: {sentence}")


def start_runs(recipe: Recipe, out: Place, *, to_rank: bool = False) -> list[Run]:
    """Begin or open the run of each arm, and add the recipe's seeds and prompts to its grid.

    Prints notes on the prompts to stderr: what was merged, what is not used, what is not read.

    Args:
        recipe: The recipe.
        out: The run folder.
        to_rank: Whether the seeds will be ranked, so that a grid that allows none is refused.

    Raises:
        GoldenseedError: If anything that the recipe names is missing or cannot be used.
    """
    check_recipe(recipe)
    for name in _metrics(recipe):
        load_metric(name).check()
    prompts = load_prompts(recipe)
    by_id = {prompt.id: prompt for prompt in prompts.prompts}
    if to_rank:
        refuse_ranking(recipe, by_id, out)
    conditions = check_condition_images(recipe, prompts)
    note_prompts(recipe, prompts)
    drawn = [(part.own_card(), part, _resolved(part, out)) for part in recipe.by_card()]
    runs = {}
    for card, part, resolved in drawn:
        for arm, config in part.run_configs(resolved).items():
            runs[arm] = run = Run.start(out / arm, config, recipe, card)
            bring_conditions(prompts.prompts, conditions, run.store)
            if growth := grown_grid(recipe, by_id, run.root).words:
                note(f"{out / arm}: {growth}")
            run.grow(recipe.seeds.values(), prompts.prompts)
    return [runs[arm] for arm in recipe.arms or ("",)]


def _resolved(recipe: Recipe, out: Place) -> ResolvedCard:
    """Find the files of a recipe's own card, and check the recipe against those of the hub."""
    card = recipe.own_card()
    resolved = resolve(card, _existing_revision(recipe, out))
    if card.repo and card.revision == "unresolved":
        note(f"card {card.name}: {card.repo} resolved to commit {resolved.revision}")
    if card.repo:  # the configs of a local card were checked with the recipe
        check_checkpoint(recipe, card, resolved.folder, resolved.parts)
    return resolved


def _existing_revision(recipe: Recipe, out: Place) -> str:
    """Read which commit of the model the existing runs use; empty if there is no run yet."""
    places = [out / arm for arm in recipe.arms or ("",)]
    runs = [place for place in places if store_at(place).exists(RUN_FILE)]
    return read_identity(runs[0]).config.revision if runs else ""


def open_runs(path: str | Place, *, allow_code: bool = False) -> list[Run]:
    """Open the run in a folder, or the runs of its arms.

    Args:
        path: The folder, or an address such as s3://bucket/run.
        allow_code: Whether classes that the run names by their dotted path may be imported.
    """
    registry.allow_code(allowed=allow_code)
    return [Run.open(folder) for folder in run_folders(path)]


def run_folders(path: str | Place) -> list[Place]:
    """List the folders of a recipe's arms, or the folder itself if it has none.

    An arm counts also without its run.json, whose loss is an error to be told.
    """
    store, place = store_at(path), place_of(path)
    if store.exists(RUN_FILE):
        return [place]
    files = (RUN_FILE, RECIPE_FILE)
    arms = [arm for arm in store.folders("") if any(store.exists(f"{arm}/{f}") for f in files)]
    return [place / arm for arm in arms] or [place]
