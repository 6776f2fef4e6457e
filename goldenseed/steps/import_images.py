"""Make runs of images that were drawn elsewhere, and say what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis.metrics import load_metric
from analysis.ranking.before_drawing import refuse_without_better_end
from goldenseed.progress import note
from goldenseed.steps.begin import check_measures, run_folders
from pipeline.errors import RunError
from pipeline.imported.arms import ImportedArm, make_arms
from pipeline.imported.collect import Collected, collect
from pipeline.imported.write import write_run
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import IMPORT_FILE, RUN_FILE
from pipeline.settings.choices import PromptChoice, RankingConfig, SeedChoice
from pipeline.settings.recipe import Recipe, fit_for_folders
from pipeline.storage.address import Place
from pipeline.storage.local_store import LocalStore
from pipeline.storage.open_store import store_at
from pipeline.storage.sealed import seal

APPEARANCE = ("brightness", "contrast", "colourfulness", "saturation")


@dataclass(frozen=True)
class Measures:
    """What the runs are to be measured by.

    Attributes:
        features: Names of features.
        metrics: Names of metrics; if empty, those that the feature `appearance` gives.
        rank: Name of the metric to rank by; empty for none.
    """

    features: Sequence[str]
    metrics: Sequence[str]
    rank: str


@dataclass(frozen=True)
class ArmReport:
    """What an import made of one setting.

    Attributes:
        run: The run folder.
        run_id: Hash of the images and their settings.
        images: Number of images.
        prompts: Prompts of the balanced part, which is ranked.
        seeds: Seeds of the balanced part.
        rest: Images outside the balanced part, which are kept beside it.
        settings: What was found.
    """

    run: str
    run_id: str
    images: int
    prompts: int
    seeds: int
    rest: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class ImportReport:
    """What an import found.

    Attributes:
        source: The folder or table.
        files: Number of image files.
        arms: One for each setting.
        skipped: Reason -> count and examples of what was left out.
        notes: Change -> count and examples of what was imported with a change.
        words: The same in lines for people.
    """

    source: str
    files: int
    arms: Sequence[ArmReport]
    skipped: Mapping[str, Mapping[str, object]]
    notes: Mapping[str, Mapping[str, object]]
    words: Sequence[str]


def import_runs(source: Path, out: Path | None, measures: Measures) -> ImportReport:
    """Make a run of each setting of the images in a folder.

    Args:
        source: A folder, or a table (see `pipeline.imported.listing`).
        out: The run folder; None for one named after the source.
        measures: What the runs are to be measured by.

    Raises:
        GoldenseedError: If no image can be used, a measure is unknown, or the run folder holds
            other images.
    """
    name = fit_for_folders(source.absolute().stem if source.suffix else source.absolute().name)
    recipe = _recipe(name, measures)
    collected = collect(source)
    arms = make_arms(collected)
    folder = out or Path("runs") / recipe.name
    _refuse_other_images(folder, arms)
    report = _report(source, folder, collected, arms)
    for arm in arms:
        _write(folder / arm.name, arm, collected, _recipe_of(recipe, arms, arm), report)
    return report


def _recipe(name: str, measures: Measures) -> Recipe:
    metrics = measures.metrics or [m for m in APPEARANCE if "appearance" in measures.features]
    metrics = list(dict.fromkeys([*metrics, *([measures.rank] if measures.rank else [])]))
    needed = (feature for metric in metrics for feature in load_metric(metric).features)
    recipe = Recipe(
        name=name,
        card="seedling-mini",  # replaced by that of each arm
        prompts=PromptChoice(source="imported"),
        seeds=SeedChoice(count=1),
        batch_size=1,
        features=list(dict.fromkeys([*measures.features, *needed])),
        metrics=metrics,
        measure="afterwards",
        ranking=RankingConfig(metric=measures.rank) if measures.rank else None,
    )
    check_measures(recipe)
    if measures.rank:
        refuse_without_better_end(load_metric(measures.rank))
    return recipe


def _recipe_of(recipe: Recipe, arms: Sequence[ImportedArm], arm: ImportedArm) -> Recipe:
    """Give the recipe of one arm's run: its seeds, its card, and the names of all arms."""
    for metric in recipe.metrics:
        load_metric(metric, model=arm.card())
    side = arm.tile_side()
    fields = recipe.model_dump() | {
        "card": arm.card(),
        "seeds": {"chosen": list(arm.seeds)},
        "tile": {"seeds": side, "prompts": side},
        "arms": {other.name: {} for other in arms if other.name},
    }
    return Recipe(**fields)


def _refuse_other_images(folder: Path, arms: Sequence[ImportedArm]) -> None:
    wanted: dict[Place, str] = {folder / arm.name: arm.config().run_id for arm in arms}
    existing = [path for path in run_folders(folder) if store_at(path).exists(RUN_FILE)]
    for path in existing:
        if read_identity(path).config.run_id != wanted.get(path):
            raise RunError(
                f"{path} holds a run of other images or settings; images that were added or "
                f"removed make a new run: give it a folder of its own (--out)"
            )


def _write(
    out: Path, arm: ImportedArm, collected: Collected, recipe: Recipe, report: ImportReport
) -> None:
    done = 0
    for count in write_run(out, arm, collected.prompts, recipe, collected.folder):
        done += count
        note(f"import {arm.name or recipe.name}: {done:,} of {len(arm.cells):,} images stored")
    LocalStore(out).replace(IMPORT_FILE, seal(asdict(report)))


def _report(
    source: Path, folder: Path, collected: Collected, arms: Sequence[ImportedArm]
) -> ImportReport:
    skipped, notes = collected.skipped, collected.notes
    return ImportReport(
        source=str(source),
        files=collected.files,
        arms=[
            ArmReport(
                run=str(folder / arm.name),
                run_id=arm.config().run_id,
                images=len(arm.cells),
                prompts=len(arm.prompt_ids),
                seeds=len(arm.seeds),
                rest=len(arm.rest),
                settings=arm.settings,
            )
            for arm in arms
        ],
        skipped=skipped.as_dict(),
        notes=notes.as_dict(),
        words=[*(f"left out: {w}" for w in skipped.words), *(f"note: {w}" for w in notes.words)],
    )
