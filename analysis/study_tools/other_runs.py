"""Open the runs that a study compares with its own run, and say how they differ."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from pipeline.errors import RunError
from pipeline.runs.layout import RUN_FILE
from pipeline.runs.run import Run

NOT_SAMPLING = ("batch_size", "compiled", "card_sha256", "revision", "family_sha256", "dtype")
"""Settings that `differences` ignores because they do not change how images are sampled."""


def other_runs(run: Run, folders: Mapping[str, str]) -> dict[str, Run]:
    """Open the runs that a study compares with its own run.

    Args:
        run: The run of the study.
        folders: Name -> folder, as for `other_run`. If empty, all existing arms of the recipe
            except the run itself are opened.

    Raises:
        RunError: If a folder is not a run.
    """
    if folders:
        return {name: other_run(run, folder) for name, folder in folders.items()}
    arms = {name: run.folder.parent / name for name in run.recipe.arms if name != run.root.name}
    return {name: Run.open(arm) for name, arm in arms.items() if (arm / RUN_FILE).is_file()}


def other_run(run: Run, folder: str) -> Run:
    """Open one run that a study compares with its own run.

    Args:
        run: The run of the study.
        folder: Absolute or relative path. A relative path starts at the run's folder or, if it
            names no run there, at the working directory.

    Raises:
        RunError: If the folder is not a run.
    """
    relative = run.folder / folder
    return Run.open(relative if (relative / RUN_FILE).is_file() else Path(folder))


def other_arms(run: Run, folder: str = "..") -> dict[str, Run]:
    """Open the other runs in a folder that use the same model card, such as the recipe's arms.

    Args:
        run: The run of the study; it is not among the results.
        folder: The folder, absolute or relative to the run's folder.

    Returns:
        Name of each run's folder -> run.

    Raises:
        RunError: If there is no such folder.
    """
    parent = (run.folder / folder).resolve()
    if not parent.is_dir():
        raise RunError(f"{parent} is not a folder; name the folder that holds the recipe's arms")
    runs = {
        file.parent.name: Run.open(file.parent) for file in sorted(parent.glob(f"*/{RUN_FILE}"))
    }
    return {
        name: arm
        for name, arm in runs.items()
        if arm.root != run.folder.resolve() and arm.config.card_sha256 == run.config.card_sha256
    }


def differences(run: Run, other: Run) -> str:
    """List the sampling settings that differ, each as "name: value in `run` > value in `other`"."""
    old, new = run.config.model_dump(mode="json"), other.config.model_dump(mode="json")
    changes = []
    for name in old:
        if old[name] != new[name] and name not in NOT_SAMPLING:
            before, after = (_text(name, value) for value in (old[name], new[name]))
            changes.append(f"{name}: {before} > {after}")
    return "; ".join(changes) or "nothing but the prompts or the files"


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - any setting
    return intervention_text(value) if name == "intervention" else str(value)


def intervention_text(intervention: Mapping[str, Any]) -> str:
    """Describe an intervention and its parameters in a few words.

    Example:
        >>> intervention_text({"name": "freeu", "parameters": {"version": 2, "preset": "sd1.5"}})
        'freeu (version 2, preset sd1.5)'
    """
    name, values = intervention["name"], intervention["parameters"]
    parameters = ", ".join(f"{key} {value}" for key, value in values.items())
    return f"{name} ({parameters})" if parameters else str(name)


def refuse_other_noise(run: Run, name: str, other: Run) -> None:
    """Refuse to compare seeds of two runs in which a seed stands for different noise.

    Raises:
        RunError: If the shape of the latents or the noise spec differs.
    """
    own_noise, other_noise = (
        f"latents {r.latents_shape}, noise {r.config.noise}" for r in (run, other)
    )
    if own_noise != other_noise:
        raise RunError(
            f"run {name} has {other_noise}, this run has {own_noise}: a seed is not the same noise "
            f"in both; this study needs runs with equal latents and noise"
        )


def align(samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """Reduce samples of several runs to the seeds and prompts that they all have.

    A prompt's id includes its condition. Runs that share no id, such as one with a ControlNet and
    one without, are matched by the texts that each of them has once.

    Args:
        samples: Name of the run -> sample.

    Returns:
        The reduced samples, with ascending seeds and prompts in the order of their ids or texts.
    """
    seeds = sorted(set.intersection(*(set(sample.seeds) for sample in samples.values())))
    places = {name: _places(sample, "id") for name, sample in samples.items()}
    if not set.intersection(*map(set, places.values())):
        places = {name: _places(sample, "text") for name, sample in samples.items()}
    shared = sorted(set.intersection(*map(set, places.values())))
    reduced = {}
    for name, sample in samples.items():
        rows = np.searchsorted(sample.seeds, seeds).astype(np.intp)
        kept = [places[name][key] for key in shared]
        columns = {key: values[rows][:, kept] for key, values in sample.columns.items()}
        reduced[name] = Sample(tuple(seeds), tuple(sample.prompts[i] for i in kept), columns)
    return reduced


def _places(sample: Sample, name: str) -> dict[str, int]:
    """Where each prompt stands, by its id or its text; a text that stands twice is left out."""
    keys = [getattr(prompt, name) for prompt in sample.prompts]
    times = Counter(keys)
    return {key: i for i, key in enumerate(keys) if times[key] == 1}
