"""Build a reference: the features of real images, for distances from them."""

from pathlib import Path
from typing import Any

from analysis.reference import build, parts
from analysis.reference.sources import file_hashes, open_source
from goldenseed.progress import note
from goldenseed.steps.stages import run_stage
from goldenseed.steps.steps import Workers
from pipeline.errors import counted


def build_reference(plan: parts.Plan, out: Path, workers: Workers) -> dict[str, Any]:
    """Build a reference, or continue with one.

    Args:
        plan: Which images are measured, and how.
        out: The file to write.
        workers: Where the images are measured.

    Returns:
        The content of the JSON file next to the reference, which says how it was made.

    Raises:
        GoldenseedError: If the images, the feature or the file cannot be used.
    """
    stage = parts.ReferenceStage(plan, Path(f"{out.absolute()}.parts"))
    source = open_source(plan.source, plan.count)
    if source.other_files:
        note(f"{counted(source.other_files, 'file')} of {plan.source} skipped: no image by name")
    note(f"reference: hashing {counted(len(source.names), 'image')}")
    hashes = list(file_hashes(source))
    existing = build.already_built(out, build.identity_of(plan, source.names, hashes))
    if existing is not None:
        note(f"{out} already is this reference: nothing to do")
        return existing
    tasks = parts.plan_parts(plan, source.names, hashes)
    missing = [task for task in tasks if not stage.store.exists(task.key)]
    run_stage("reference", stage, missing, sum(len(task.names) for task in missing), workers)
    about = build.finish(plan, tasks, stage.store.root, out)
    remove_empty(stage.store.root)
    return about


def remove_empty(folder: Path) -> None:
    """Remove a folder of parts, unless it still holds some of another reference."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
