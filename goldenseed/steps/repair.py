"""Repair a run: set aside what is damaged, and make exactly that again."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from analysis.extraction.extract import missing_extractions
from goldenseed.steps import steps
from goldenseed.steps.verify.checked import Checked
from goldenseed.steps.verify.run_folder import RunFolder
from goldenseed.steps.verify.shards import was_set_aside
from pipeline.cards.card import IMPORTED
from pipeline.runs.grid import Tile
from pipeline.runs.layout import (
    CANARY_FILE,
    CLASSIFIERS_FOLDER,
    PER_SEED_FILE,
    RANKING_FILE,
    SEARCH_FILE,
    STUDIES_FOLDER,
)
from pipeline.runs.run import Run, feature_folders
from pipeline.storage.shards import RECEIPTS, SUPERSEDED

DRAWN_ELSEWHERE = (
    "its images were drawn elsewhere: give the command `goldenseed import` that made the run again"
)


@dataclass
class Repaired:
    """What the repair of a run did.

    Attributes:
        run: The folder.
        damaged: Each damaged file with its problem.
        drawn: Shards that were drawn again.
        measured: Shards that were measured again.
        written: Other files that were written again.
        advice: What to do about a file that only a command of its own makes again.
        left: Each file that is still damaged or missing, with the problem and what to do.
        errors: "shard: reason" for each shard that could not be made again.
    """

    run: str
    damaged: list[tuple[str, str]] = field(default_factory=list)
    drawn: int = 0
    measured: int = 0
    written: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def repair(root: Path, workers: steps.Workers) -> Repaired:
    """Read a run back, set damaged files aside, and make again what they held; nothing else.

    What is not drawn or measured yet stays so. A shard that `verify --repair` set aside earlier
    counts as damaged.

    Args:
        root: The run folder.
        workers: Where to draw and measure.

    Raises:
        GoldenseedError: If the model or a feature cannot be loaded, or the folder is no run.
    """
    folder = RunFolder(root)
    done = Repaired(str(root))
    problems = [file for file in folder.check() if file.problem]
    done.damaged = [(file.name, file.problem) for file in problems]
    if folder.known.damaged:
        done.left = [(f.name, f.problem) for f in folder.known.files if f.problem]
        return done
    aside = [file for file in problems if folder.repair(file)]
    run = Run.open(root)
    lost = _shards_of(run, [*problems, *_set_aside_before(run)])
    _make_shards_again(run, lost, workers, done)
    if not done.errors:
        _write_again(run, {key for file in aside for key in file.aside}, workers, done)
    done.advice = [*_advice(root, aside)]
    done.left += [(f.name, f.problem) for f in problems if not f.aside and not _is_mended(run, f)]
    return done


def _is_mended(run: Run, file: Checked) -> bool:
    """Whether a file that was missing is there again."""
    return file.name.startswith(f"{RECEIPTS}/") and run.store.exists(file.name)


def _set_aside_before(run: Run) -> Iterator[Checked]:
    """Find the receipts that were set aside, and whose shards were not made again since."""
    for key in run.store.list(f"{SUPERSEDED}/{RECEIPTS}", ""):
        receipt = key.removeprefix(f"{SUPERSEDED}/").rpartition("-")[0]
        if not run.store.exists(receipt):
            yield Checked(receipt, "was set aside")


def _shards_of(run: Run, files: Iterable[Checked]) -> set[str]:
    """Give the ids of the tiles to whose shards or receipts files belong, by their names."""
    keys = {key for file in files for key in (file.name, *file.aside)}
    names = {key.rpartition("/")[2].partition(".")[0].partition("-")[0] for key in keys}
    return names & {tile.id for tile in run.tiles()}


def _make_shards_again(run: Run, lost: set[str], workers: steps.Workers, done: Repaired) -> None:
    """Draw the lost images, then measure what was measured of them or lost by itself."""
    measured = {tile.id for tile in run.tiles() if tile.id in lost and _was_measured(run, tile)}
    undrawn = {tile.id for tile in run.missing()} & lost
    if undrawn and run.card.family == IMPORTED:
        done.left += [(tile_id, DRAWN_ELSEWHERE) for tile_id in sorted(undrawn)]
    elif undrawn:
        done.errors += steps.generate(run, workers, only=undrawn).errors
        done.drawn = len(undrawn - {tile.id for tile in run.missing()})
    unmeasured = _unmeasured(run) & measured
    if unmeasured:
        done.errors += steps.extract(run, workers, only=unmeasured).errors
        done.measured = len(unmeasured - _unmeasured(run))


def _unmeasured(run: Run) -> set[str]:
    return {task.id for task in missing_extractions(run, run.recipe.features)}


def _was_measured(run: Run, tile: Tile) -> bool:
    """Whether a tile has, or had until it was set aside, a shard of any feature."""
    return any(
        run.store.exists(folder.receipt_key(tile.id, tile.block))
        or was_set_aside(run.store, folder, tile.id, tile.block)
        for folder in feature_folders(run.store)
    )


def _write_again(run: Run, keys: set[str], workers: steps.Workers, done: Repaired) -> None:
    """Write the tables and the ranking again that were set aside."""
    if PER_SEED_FILE in keys:
        steps.measure_seeds(run, workers)
        done.written.append(PER_SEED_FILE)
    if RANKING_FILE in keys and run.recipe.ranking is not None:
        steps.rank(run)
        done.written.append(RANKING_FILE)


def _advice(root: Path, aside: Iterable[Checked]) -> Iterator[str]:
    """Say which command makes each file again that this one does not make."""
    commands = {
        CANARY_FILE: "the next worker that draws writes it",
        SEARCH_FILE: f"`goldenseed search` with the recipe and --out {root}",
        CLASSIFIERS_FOLDER: f"`goldenseed study distinguishability {root}`",
    }
    for key in dict.fromkeys(file.aside[0] for file in aside):
        top, _, name = key.partition("/")
        if top == STUDIES_FOLDER:
            yield f"{key} was set aside; to make it again: `goldenseed study {name} {root}`"
        elif top in commands:
            yield f"{key} was set aside; to make it again: {commands[top]}"
