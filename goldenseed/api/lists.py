"""Give lists of seeds: the published lists, and seeds whose images differ most."""

import json
from pathlib import Path

from analysis.study_tools.farthest_seeds import By, central_point, farthest_points, seed_space
from pipeline.errors import ConfigError, RunError
from pipeline.runs.run import Run


def golden_seeds(release: str | Path) -> list[int]:
    """Read the golden seeds of a release, best first.

    Args:
        release: A release folder, or its `golden_seeds.json`.

    Returns:
        The seeds. Empty if no seed could be confirmed, which is a result too.

    Raises:
        RunError: If this is not a release.

    Example:
        >>> golden_seeds("no-such-folder")
        Traceback (most recent call last):
        ...
        pipeline.errors.RunError: no-such-folder/golden_seeds.json cannot be read: ...
    """
    path = Path(release)
    path = path / "golden_seeds.json" if path.suffix != ".json" else path
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["seeds"]
        return [int(row["seed"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read: {error}; give a release folder") from error


def diverse_seeds(
    model: str | Path, k: int, *, by: By = "style", first: int | None = None, feature: str = ""
) -> list[int]:
    """Choose seeds of a model whose images differ most, by farthest point sampling.

    The study `diversity` says, for the same run, what these seeds gain over random seeds.

    Args:
        model: A run folder of the model, with a style or layout feature measured.
        k: Number of seeds.
        by: "style" or "composition".
        first: The first seed; if None, the seed nearest to the mean of all.
        feature: The feature to use; if empty, the feature that the recipe measures.

    Returns:
        The seeds in the order in which they were chosen, so the first few are a choice as well.

    Raises:
        ConfigError: If k is out of range, `by` is unknown, or the run has no such first seed.
        RunError: If the folder is not a run, or lacks the feature or cells.

    Example:
        >>> diverse_seeds("no-such-folder", 4)
        Traceback (most recent call last):
        ...
        pipeline.errors.RunError: no-such-folder is not a run folder: ...
    """
    space = seed_space(Run.open(model), by, feature=feature)
    if not 1 <= k <= len(space.seeds):
        raise ConfigError(f"{k} seeds of {len(space.seeds)}: give 1 to {len(space.seeds)}")
    if first is not None and first not in space.seeds:
        raise ConfigError(f"the run has no seed {first}; give one of its {len(space.seeds)} seeds")
    start = central_point(space.values) if first is None else space.seeds.index(first)
    return [space.seeds[index] for index in farthest_points(space.values, k, first=start)]
