"""Take seeds from a run, from a release, or from the lists that come with goldenseed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.ranking.rank import read_ranking
from analysis.study_tools.farthest_seeds import By, central_point, farthest_points, seed_space
from goldenseed.steps.chosen_prompts import rank_some
from goldenseed.steps.seed_lists.origin import Origin, Wanted, list_origin, refuse_other, run_origin
from pipeline.errors import ConfigError, RunError, nearest
from pipeline.runs.layout import RUN_FILE
from pipeline.runs.run import Run
from pipeline.storage.address import local_path

GOLDEN_FILE = "golden_seeds.json"
LISTS_FOLDER = Path(__file__).parents[3] / "lists"
"""The lists that come with goldenseed: one release a folder."""


@dataclass(frozen=True)
class SeedList:
    """Seeds of a model, with what they were drawn with.

    Attributes:
        seeds: The seeds, best first or, for diverse seeds, in the order of choice.
        kind: What they are: "golden", or "diverse by style".
        origin: What they were drawn with.
        source: Where they come from, for messages.
        verdict: What the ranking says of the list; empty for diverse seeds.
    """

    seeds: tuple[int, ...]
    kind: str
    origin: Origin
    source: str
    verdict: str = ""

    def first(self, k: int | None) -> "SeedList":
        """Keep the first k seeds; all if None.

        Raises:
            ConfigError: If there are fewer.
        """
        if k is None:
            return self
        if k < 1:
            raise ConfigError(f"{k} seeds are no list; ask for 1 or more")
        if k > len(self.seeds):
            verdict = f" Its ranking says: {self.verdict}" if self.verdict else ""
            raise ConfigError(
                f"{self.source} lists {len(self.seeds)} {self.kind} seeds, and {k} were asked for; "
                f"ask for fewer, or for seeds that differ (--diverse style).{verdict}"
            )
        return replace(self, seeds=self.seeds[:k])


def find_seeds(
    model: str,
    source: str | Path | None = None,
    *,
    diverse: str = "",
    where: Sequence[str] = (),
    k: int | None = None,
    wanted: Wanted | None = None,
) -> SeedList:
    """Find seeds of a model.

    Args:
        model: Name of its card, its repository, or the folder that it is loaded from. Empty only
            with a source, which names its model.
        source: A run folder, a release folder, or the file `golden_seeds.json`; None for the lists
            that come with goldenseed.
        diverse: "style" or "composition" for seeds that differ most, of a run that measured it.
        where: Rank on these prompts of a run only, for example "category=horse".
        k: Number of seeds; all if None.
        wanted: What the seeds are to be used with; seeds of anything else are refused.

    Raises:
        ConfigError: If no model is named, its seeds were drawn with something else, or there are
            fewer than k.
        RunError: If the source is neither a run nor a release, or lacks what is asked for.
    """
    path = local_path(source) if source is not None else _packaged(model)
    if not (path / RUN_FILE).is_file():
        if diverse or where:
            raise ConfigError(
                f"{path} is no run, and only a run has the images that "
                f"{'--diverse' if diverse else '--where'} compares; give --from RUN"
            )
        found = read_list(path)
    else:
        run = Run.open(path)
        found = _diverse(run, diverse, k, path) if diverse else _golden(run, where, path)
    refuse_other(found.origin, replace(wanted or Wanted(), model=model), source=found.source)
    return found.first(k)


def read_list(path: Path) -> SeedList:
    """Read the golden seeds of a release.

    Args:
        path: A release folder, or its `golden_seeds.json`.

    Raises:
        RunError: If it cannot be read.
    """
    file = path if path.suffix == ".json" else path / GOLDEN_FILE
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        seeds = tuple(int(row["seed"]) for row in document["seeds"])
        return SeedList(seeds, "golden", list_origin(document), str(path), document["verdict"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"has no field {error}" if isinstance(error, KeyError) else str(error)
        raise RunError(
            f"{file} cannot be read: {what}; give a run folder or a release folder"
        ) from error


def _golden(run: Run, where: Sequence[str], path: Path) -> SeedList:
    ranking = rank_some(run, where).ranking if where else read_ranking(run)
    golden = ranking.golden
    return SeedList(golden.seeds, "golden", run_origin(run), str(path), golden.verdict)


def _diverse(run: Run, by: str, k: int | None, path: Path) -> SeedList:
    seeds = farthest_seeds(run, by, k if k is not None else 4)
    return SeedList(tuple(seeds), f"diverse by {by}", run_origin(run), str(path))


def farthest_seeds(
    run: Run, by: str, k: int, *, first: int | None = None, feature: str = ""
) -> list[int]:
    """Choose seeds whose images differ most; see `goldenseed.diverse_seeds`.

    Raises:
        ConfigError: If `by` is unknown, k is out of range, or the run has no such first seed.
        RunError: If the run lacks the feature or cells.
    """
    kinds: dict[str, By] = {"style": "style", "composition": "composition"}
    if by not in kinds:
        raise ConfigError(f"diverse by {by!r}: {nearest(by, kinds)}wanted style or composition")
    space = seed_space(run, kinds[by], feature=feature)
    if not 1 <= k <= len(space.seeds):
        raise ConfigError(f"{k} seeds of {len(space.seeds)}: give 1 to {len(space.seeds)}")
    if first is not None and first not in space.seeds:
        raise ConfigError(f"the run has no seed {first}; give one of its {len(space.seeds)} seeds")
    start = central_point(space.values) if first is None else space.seeds.index(first)
    return [space.seeds[index] for index in farthest_points(space.values, k, first=start)]


def _packaged(model: str) -> Path:
    """Find the list of a model among those that come with goldenseed.

    Raises:
        ConfigError: If no model is named, or there is no list of it.
    """
    if not model:
        raise ConfigError(
            "name the model: a seed is another image with another model. Give --model MODEL, or "
            "--from with a run or a release, which names its model"
        )
    lists = {file.parent: read_list(file.parent) for file in LISTS_FOLDER.rglob(GOLDEN_FILE)}
    for folder, found in sorted(lists.items()):
        if found.origin.is_of(model):
            return folder
    names = sorted({found.origin.card for found in lists.values()})
    known = f"lists come with goldenseed for {', '.join(names)}" if names else "none comes with it"
    raise ConfigError(
        f"no list of seeds of the model {model!r}: {nearest(model, names)}"
        f"{known}; make your own with `goldenseed "
        f"init` and `goldenseed run`, and name the run or the release as the source (--from)"
    )
