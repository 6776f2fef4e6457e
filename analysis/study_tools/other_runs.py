"""Open the runs that a study compares with a run, and say how they differ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from pipeline.errors import RunError
from pipeline.runs.layout import RUN_FILE
from pipeline.runs.run import Run

UNNAMED = ("batch_size", "compiled", "card_sha256", "revision", "family_sha256", "dtype")
"""Settings that are not named among the differences: they are not a change of sampling."""


def other_runs(run: Run, folders: Mapping[str, str]) -> dict[str, Run]:
    """Open the runs that a study compares with its own.

    Args:
        run: The run of the study.
        folders: Name -> folder, relative to the run's folder or to the working directory. If
            empty, the other arms of the run's recipe that exist.

    Raises:
        RunError: If a folder is not a run.
    """
    if folders:
        return {name: other_run(run, folder) for name, folder in folders.items()}
    arms = {name: run.root.parent / name for name in run.recipe.arms if name != run.root.name}
    return {name: Run.open(arm) for name, arm in arms.items() if (arm / RUN_FILE).is_file()}


def other_run(run: Run, folder: str) -> Run:
    """Open a run that a setting of a study names.

    Args:
        run: The run of the study.
        folder: Absolute, or relative to the run's folder, or else to the working directory.

    Raises:
        RunError: If there is no run.
    """
    relative = run.root / folder
    return Run.open(relative if (relative / RUN_FILE).is_file() else Path(folder))


def other_arms(run: Run, folder: str = "..") -> dict[str, Run]:
    """Open the runs of the same checkpoint in a folder, by the names of their folders.

    The arms of a recipe are such runs.

    Args:
        run: The run of the study; it is left out.
        folder: The folder, absolute or relative to the run's folder.

    Raises:
        RunError: If there is no such folder.
    """
    parent = Path(run.root / folder).resolve()
    if not parent.is_dir():
        raise RunError(f"{parent} is no folder; name the folder that holds the arms of the recipe")
    runs = {
        file.parent.name: Run.open(file.parent) for file in sorted(parent.glob(f"*/{RUN_FILE}"))
    }
    return {
        name: arm
        for name, arm in runs.items()
        if arm.root != run.root.resolve() and arm.config.card_sha256 == run.config.card_sha256
    }


def differences(run: Run, other: Run) -> str:
    """Describe how two runs are drawn differently, as "setting: this run's > the other's".

    Example:
        >>> intervention_text({"name": "freeu", "parameters": {"version": 2, "preset": "sd1.5"}})
        'freeu (version 2, preset sd1.5)'
    """
    old, new = run.config.model_dump(mode="json"), other.config.model_dump(mode="json")
    changes = []
    for name in old:
        if old[name] != new[name] and name not in UNNAMED:
            a, b = (_text(name, value) for value in (old[name], new[name]))
            changes.append(f"{name}: {a} > {b}")
    return "; ".join(changes) or "nothing but the prompts or the files"


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - any setting
    return intervention_text(value) if name == "intervention" else str(value)


def intervention_text(fields: Mapping[str, Any]) -> str:
    """Describe an intervention and its parameters in a few words."""
    parameters = ", ".join(f"{key} {value}" for key, value in fields["parameters"].items())
    return f"{fields['name']} ({parameters})" if parameters else str(fields["name"])


def refuse_other_noise(run: Run, name: str, other: Run) -> None:
    """Raise if a seed is not the same noise in two runs, so that their seeds cannot be compared.

    Raises:
        RunError: If the shape of the latents or the noise spec differs; states both.
    """
    here, there = (
        (f"latents {each.latents_shape}", f"noise {each.config.noise}") for each in (run, other)
    )
    if here != there:
        raise RunError(
            f"run {name} has {', '.join(there)}, this run has {', '.join(here)}: a seed is not the "
            f"same noise in both; this study needs runs with equal latents and noise"
        )


def aligned(samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """Reduce samples of several runs to the seeds and prompts that all of them have.

    Args:
        samples: Name of the run -> sample.

    Returns:
        The reduced samples, with ascending seeds and prompts in the order of their ids.
    """
    seeds = sorted(set.intersection(*(set(sample.seeds) for sample in samples.values())))
    shared = set.intersection(*({p.id for p in sample.prompts} for sample in samples.values()))
    reduced = {}
    for name, sample in samples.items():
        rows = np.searchsorted(sample.seeds, seeds).astype(np.intp)
        order = sorted((p.id, i) for i, p in enumerate(sample.prompts) if p.id in shared)
        kept = [i for _, i in order]
        columns = {key: values[rows][:, kept] for key, values in sample.columns.items()}
        reduced[name] = Sample(tuple(seeds), tuple(sample.prompts[i] for i in kept), columns)
    return reduced
