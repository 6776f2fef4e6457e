"""Submit a run as a Ray job, so that it goes on when the submitter's machine goes off."""

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, RunError
from pipeline.executors.ray.jobs import Jobs
from pipeline.settings.own_paths import resolve_paths
from pipeline.settings.recipe import load_recipe
from pipeline.storage.address import place_of
from pipeline.storage.yaml_files import read_mapping

YAML = (".yaml", ".yml")
AT_WORK = ("PENDING", "RUNNING")
"""What Ray says of jobs that have not ended."""


@dataclass(frozen=True)
class Job:
    """A run to submit.

    Attributes:
        id: What the cluster calls it: the same for the same recipe, grid and folder.
        entrypoint: The command that the cluster runs.
        folder: Folder that travels with it, because it holds the recipe; None for a shipped recipe.
        out: The run folder, as the cluster sees it.
    """

    id: str
    entrypoint: str
    folder: Path | None
    out: str


def make_job(name: str, out: str, *, seeds: str = "", prompts: int | None = None) -> Job:
    """Describe the run of a recipe as a job.

    The folder of a user's own recipe travels with the job, so relative paths in it work on the
    cluster; absolute paths are those of the cluster. The id does not need the weights of the model,
    which the submitting machine may not have, as the run_id does.

    Args:
        name: Name of a shipped recipe, or path of a file.
        out: The run folder, as the cluster sees it; or an address such as s3://bucket/run.
        seeds: As on the command line; empty keeps the recipe's.
        prompts: Number of prompts; None keeps the recipe's.

    Raises:
        ConfigError: If the recipe is malformed, if `out` is not absolute, or if a relative path in
            the recipe leads out of its folder.

    Example:
        >>> make_job("seedling", "/shared/runs/seedling").entrypoint
        'goldenseed run seedling --out /shared/runs/seedling'
    """
    place = place_of(out)
    if isinstance(place, Path) and not place.is_absolute():
        raise ConfigError(f"--out {out} is a path on the cluster: write the whole path, from /")
    recipe = load_recipe(name)
    file = Path(name) if name.endswith(YAML) else None
    if file is not None:
        _refuse_paths_outside(file)
    parts = ["goldenseed", "run", name if file is None else file.name, "--out", out]
    parts += ["--seeds", seeds] if seeds else []
    parts += ["--prompts", str(prompts)] if prompts is not None else []
    settings = recipe.model_dump(mode="json", exclude={"workers"})
    digest = hashlib.sha256(json.dumps([settings, parts[3:]], sort_keys=True).encode()).hexdigest()
    folder = None if file is None else file.absolute().parent
    return Job(f"goldenseed-{recipe.name}-{digest[:12]}", shlex.join(parts), folder, out)


def _refuse_paths_outside(file: Path) -> None:
    """Refuse a relative path that leads out of the recipe's folder, which alone travels."""
    folder = file.absolute().parent
    fields = read_mapping(file, "a recipe")
    for value in _changed(fields, resolve_paths(fields, folder)):
        path = Path(value.rpartition("@")[2])
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(
                f"{file}: {path} is not in the folder of the recipe, which alone travels to the "
                f"cluster: copy it there, or give its whole path on the cluster"
            )


def _changed(written: Any, resolved: Any) -> list[str]:  # noqa: ANN401 - any field's value
    """The texts that resolving has changed: the relative paths."""
    if isinstance(written, dict):
        pairs = zip(written.items(), resolved.items(), strict=True)
        return [
            text
            for (key, value), (new_key, new) in pairs
            for text in (*_changed(key, new_key), *_changed(value, new))
        ]
    if isinstance(written, list):
        items = zip(written, resolved, strict=True)
        return [text for old, new in items for text in _changed(old, new)]
    return [resolved] if isinstance(resolved, str) and resolved != written else []


def submit(job: Job, jobs: Jobs) -> str:
    """Start a job, unless the same one is at work.

    A job of this id that has ended is forgotten first: the new one continues what it has drawn.

    Returns:
        The id.

    Raises:
        RunError: If the same run is being drawn, or the cluster refuses the job.
    """
    states = {str(found.submission_id): str(found.status) for found in jobs.list_jobs()}
    state = states.get(job.id, "").rpartition(".")[2]
    if state in AT_WORK:
        raise RunError(
            f"the cluster is already at work on this run ({job.id}, {state.lower()}): follow it "
            f"with `ray job logs --follow {job.id}`, or end it with `ray job stop {job.id}`"
        )
    if state:
        jobs.delete_job(job.id)
    try:
        return jobs.submit_job(
            entrypoint=job.entrypoint,
            submission_id=job.id,
            runtime_env=_travels(job.folder),
            metadata={"out": job.out},
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"the cluster refuses {job.id}: {reason}") from error


def _travels(folder: Path | None) -> dict[str, Any]:
    """What Ray copies to the cluster: the folder of the recipe, without runs that lie in it."""
    if folder is None:
        return {}
    return {"working_dir": str(folder), "excludes": ["/runs/", ".git/", ".venv/"]}
