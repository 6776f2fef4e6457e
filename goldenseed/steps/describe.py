"""Describe a user's images with a vision-language model and write the texts as prompts."""

import json
from pathlib import Path
from typing import Any

from goldenseed.progress import note
from goldenseed.steps.stages import run_stage
from goldenseed.steps.steps import Workers
from pipeline.errors import counted
from pipeline.prompts.image_files import list_image_files
from pipeline.prompts.making import dense
from pipeline.prompts.making.cards import find_describer, resolve_describer
from pipeline.prompts.making.sample import write_sample
from pipeline.storage.local_store import LocalStore


def describe(
    images: Path, out: Path, *, count: int | None, card: str, workers: Workers
) -> dict[str, Any]:
    """Describe images and write the prompts, and a JSON file that records how they were made.

    The descriptions stay in `<out>.parts`, so a larger count later only adds to them.

    Args:
        images: Folder of images.
        out: The prompt file to write.
        count: Number of images, sampled by the hash of their names; all if None.
        card: Name or path of a describer card.
        workers: Executor and number of workers.

    Returns:
        The content of the JSON file.

    Raises:
        GoldenseedError: If the images, the card, its model or the file cannot be used.
    """
    describer = find_describer(card)
    names, others = list_image_files(images)
    if others:
        note(f"{counted(others, 'file')} of {images} skipped: no image by name")
    tasks = dense.plan_tasks(images, names, count=count)
    files = resolve_describer(describer)
    work = dense.work_folder(out.absolute(), describer, files)
    stage = dense.DenseStage(images, work, describer, files.folder)
    missing = dense.missing_tasks(stage.store, tasks)
    run_stage("describe", stage, missing, sum(len(task.names) for task in missing), workers)
    prompts, counts = dense.collect_prompts(stage.store, tasks)
    write_sample(out, prompts)
    model = {"repo": describer.repo, "revision": files.revision, "sha256": files.sha256}
    about = {**counts, "card": card, **model, "question": describer.question, "decoding": "greedy"}
    text = json.dumps(about, indent=1) + "\n"
    LocalStore(out.absolute().parent).replace(out.with_suffix(".json").name, text.encode())
    return about
