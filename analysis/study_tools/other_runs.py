"""Runs beside a run: other arms, other models; what tells them apart, and whether seeds compare."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from pipeline.errors import RunError
from pipeline.runs.layout import RUN_FILE
from pipeline.runs.run import Run

UNSAID = ("batch_size", "compiled", "card_sha256", "revision", "family_sha256", "dtype")
"""Settings that are not named among the differences: nobody chooses a seed by them."""


def other_runs(run: Run, folders: Mapping[str, str]) -> dict[str, Run]:
    """The runs that a study is to look at beside its own.

    Args:
        run: The study's run.
        folders: Name -> folder, from here or from the run's own folder. If empty, the other arms
            of the run's recipe, as far as they are there.

    Raises:
        RunError: If a folder is not a run.
    """
    if folders:
        return {name: other_run(run, folder) for name, folder in folders.items()}
    places = {name: run.root.parent / name for name in run.recipe.arms if name != run.root.name}
    there = {name: place for name, place in places.items() if (place / RUN_FILE).is_file()}
    return {name: Run.open(place) for name, place in there.items()}


def other_run(run: Run, folder: str) -> Run:
    """A run that a setting of a study names.

    Args:
        run: The run that is studied.
        folder: From its own folder, or else from here; or absolute.

    Raises:
        RunError: If there is no run.
    """
    own = run.root / folder
    return Run.open(own if (own / RUN_FILE).is_file() else Path(folder))


def arms_beside(run: Run, folder: str = "..") -> dict[str, Run]:
    """The runs in a folder that show the same checkpoint, by the names of their folders.

    The arms of a recipe are such runs, side by side.

    Args:
        run: The run that is studied; it is not among them.
        folder: Where to look, relative to the folder of `run`, or absolute.

    Raises:
        RunError: If there is no such folder.
    """
    place = Path(run.root / folder).resolve()
    if not place.is_dir():
        raise RunError(f"{place} is no folder; name the one that holds the arms of the recipe")
    found = {
        file.parent.name: Run.open(file.parent) for file in sorted(place.glob(f"*/{RUN_FILE}"))
    }
    return {
        name: arm
        for name, arm in found.items()
        if arm.root != run.root.resolve() and arm.config.card_sha256 == run.config.card_sha256
    }


def differences(run: Run, other: Run) -> str:
    """What two runs are drawn differently with, each "setting: this run's > the other's".

    Example:
        >>> intervention_text({"name": "freeu", "parameters": {"version": 2, "preset": "sd1.5"}})
        'freeu (version 2, preset sd1.5)'
    """
    old, new = run.config.model_dump(mode="json"), other.config.model_dump(mode="json")
    found = []
    for name in old:
        if old[name] != new[name] and name not in UNSAID:
            a, b = (_text(name, value) for value in (old[name], new[name]))
            found.append(f"{name}: {a} > {b}")
    return "; ".join(found) or "nothing but the prompts or the files"


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - any setting
    return intervention_text(value) if name == "intervention" else str(value)


def intervention_text(fields: Mapping[str, Any]) -> str:
    """An intervention with its parameters, in a few words."""
    parameters = ", ".join(f"{key} {value}" for key, value in fields["parameters"].items())
    return f"{fields['name']} ({parameters})" if parameters else str(fields["name"])


def refuse_other_noise(run: Run, name: str, other: Run) -> None:
    """Refuse to compare the seeds of runs in which a seed is not the same noise.

    Raises:
        RunError: If the shape of the latents or the noise spec differs; gives both.
    """
    own, theirs = (
        (f"latents {each.latents_shape}", f"noise {each.config.noise}") for each in (run, other)
    )
    if own != theirs:
        raise RunError(
            f"run {name} has {', '.join(theirs)}, this one {', '.join(own)}: a seed is another "
            f"noise there, so the study needs runs of equal latents and noise"
        )


def aligned(samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """Samples of several runs on the seeds and prompts that all of them have.

    Args:
        samples: By run; columns are cut alike.

    Returns:
        The same, seeds ascending and prompts in the order of their ids.
    """
    seeds = sorted(set.intersection(*(set(each.seeds) for each in samples.values())))
    shared = set.intersection(*({p.id for p in each.prompts} for each in samples.values()))
    found = {}
    for name, each in samples.items():
        rows = np.searchsorted(each.seeds, seeds).astype(np.intp)
        order = sorted((p.id, i) for i, p in enumerate(each.prompts) if p.id in shared)
        places = [i for _, i in order]
        columns = {key: values[rows][:, places] for key, values in each.columns.items()}
        found[name] = Sample(tuple(seeds), tuple(each.prompts[i] for i in places), columns)
    return found
