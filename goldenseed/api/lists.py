"""Give lists of seeds: golden seeds, and seeds whose images differ most."""

from pathlib import Path

from analysis.study_tools.farthest_seeds import By
from goldenseed.steps.seed_lists.origin import Wanted
from goldenseed.steps.seed_lists.source import farthest_seeds, find_seeds
from pipeline.runs.run import Run


def golden_seeds(
    model: str | Path,
    k: int | None = None,
    *,
    source: str | Path | None = None,
    width: int | None = None,
    height: int | None = None,
    scheduler: str = "",
) -> list[int]:
    """Give the golden seeds of a model, best first.

    Args:
        model: The model that you draw with: name of its card, its repository, or its folder. Or a
            run folder or a release folder, which names its model.
        k: Number of seeds; all if None.
        source: A run folder, a release folder, or its `golden_seeds.json`; None for the lists that
            come with goldenseed.
        width: Width that you draw at, in pixels; None if it is that of the list.
        height: Height that you draw at, in pixels; None if it is that of the list.
        scheduler: Diffusers' class of your scheduler; empty if it is that of the list.

    Returns:
        The seeds. Empty if no seed could be confirmed, which is a result too.

    Raises:
        ConfigError: If no model is named, if the seeds were drawn with another model, size or
            scheduler, or if there are fewer than k.
        RunError: If the source is neither a run nor a release.

    Example:
        >>> golden_seeds("")
        Traceback (most recent call last):
        ...
        pipeline.errors.ConfigError: name the model: a seed is another image with ...
    """
    wanted = Wanted(width=width, height=height, scheduler=scheduler)
    if source is None and (isinstance(model, Path) or names_folder(model)):
        return list(find_seeds("", model, k=k, wanted=wanted).seeds)
    return list(find_seeds(str(model), source, k=k, wanted=wanted).seeds)


def names_folder(model: str) -> bool:
    """Whether a text is the path of a list: a folder of ours, or a .json file."""
    path = Path(model)
    files = ("golden_seeds.json", "run.json")
    return model.endswith(".json") or any((path / name).is_file() for name in files if model)


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
    return farthest_seeds(Run.open(model), by, k, first=first, feature=feature)
