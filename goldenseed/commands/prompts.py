"""`goldenseed prompts`: prompts from somebody's pictures."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from goldenseed.commands.options import AsJson, Executor, WorkerCount
from goldenseed.commands.reference import run_stage
from goldenseed.output import tables
from goldenseed.progress import note
from goldenseed.steps import steps
from pipeline.errors import ConfigError

app = typer.Typer(help="Prompts from somebody's pictures.", no_args_is_help=True)

OutFile = Annotated[Path, typer.Option(help="The prompt file, ending in .jsonl.")]


@app.callback()
def _group() -> None:
    """Prompts from somebody's pictures."""


@app.command()
def coco(
    captions: Annotated[Path, typer.Argument(help="COCO's captions_train2017.json.")],
    images: Annotated[Path, typer.Option(help="Folder of its images.")],
    count: Annotated[int, typer.Option(min=1, help="Prompts wanted.")],
    out: OutFile,
    *,
    as_json: AsJson = False,
) -> None:
    """Sample captions of MS-COCO, one an image, with the image as group."""
    from pipeline.prompts.making.coco import sample_captions
    from pipeline.prompts.making.sample import write_sample

    _check_name(out)
    prompts, report = sample_captions(captions, images, count=count)
    write_sample(out, prompts)
    found = report.as_dict()
    if as_json:
        tables.line(tables.to_json({"out": str(out), **found}))
        return
    words = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in found.items())
    tables.line(f"{out}: {words}")


@app.command()
def dense(
    images: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    out: OutFile,
    *,
    count: Annotated[int | None, typer.Option(min=1, help="Pictures; default all.")] = None,
    card: Annotated[str, typer.Option(help="Describer card, or a .yaml.")] = "llava-1.5-7b",
    executor: Executor = "ray",
    workers: WorkerCount = None,
    as_json: AsJson = False,
) -> None:
    """Describe pictures densely with LLaVA 1.5; the same command again goes on."""
    _check_name(out)
    found = describe(images, out, count=count, card=card, workers=steps.Workers(executor, workers))
    if as_json:
        tables.line(tables.to_json({"out": str(out), **found}))
        return
    tables.line(
        f"{out}: {found['prompts']:,} prompts of {found['pictures']:,} pictures; "
        f"{len(found['skipped']):,} skipped (reasons in {out.with_suffix('.json').name}), "
        f"{found['cut']:,} cut at the longest length, {found['same_text']:,} with a text that "
        f"another one has"
    )


@app.command()
def pairs(
    folder: Annotated[Path, typer.Argument(help="Folder with images/, masks/, objects.json.")],
    out: OutFile,
    *,
    size: Annotated[int, typer.Option(min=16, help="Pixels a side, as the model draws.")] = 512,
    count: Annotated[int | None, typer.Option(min=1, help="Pairs; default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prompts for inpainting, removal and completion, from pictures with masks."""
    from pipeline.prompts.making.pairs import read_pairs, write_pairs

    _check_name(out)
    found = read_pairs(folder, size=size, count=count)
    prompts = write_pairs(out, found)
    if as_json:
        tables.line(tables.to_json({"out": str(out), "pairs": len(found), "prompts": prompts}))
        return
    tables.line(f"{out}: {prompts:,} prompts; {len(found):,} pairs, pictures beside it")


def _check_name(out: Path) -> None:
    if out.suffix != ".jsonl":
        raise ConfigError(f"--out {out}: wanted a name that ends in .jsonl")


def describe(
    images: Path, out: Path, *, count: int | None, card: str, workers: steps.Workers
) -> dict[str, Any]:
    """Describe pictures and write the prompts, with a JSON of how they were made beside them.

    The descriptions stay in `<out>.parts`, so that a larger count later only adds to them.

    Args:
        images: Folder of pictures.
        out: The prompt file.
        count: Pictures, sampled by the hash of their names; all if None.
        card: Name or path of a describer card.
        workers: Where.

    Returns:
        What stands in the JSON.

    Raises:
        GoldenseedError: If pictures, card, model or file are not as they must be.
    """
    from pipeline.prompts.image_files import list_image_files
    from pipeline.prompts.making import dense as making
    from pipeline.prompts.making.cards import find_describer, resolve_describer
    from pipeline.prompts.making.sample import write_sample
    from pipeline.storage.store import LocalStore

    chosen = find_describer(card)
    names, others = list_image_files(images)
    if others:
        note(f"{others:,} files of {images} are no pictures by their names: not read")
    tasks = making.plan_tasks(images, names, count=count)
    files = resolve_describer(chosen)
    stage = making.DenseStage(
        images, making.work_folder(out.absolute(), chosen, files), chosen, files.folder
    )
    left = making.missing_tasks(stage.store, tasks)
    run_stage("describe", stage, left, sum(len(task.names) for task in left), workers)
    prompts, found = making.collect_prompts(stage.store, tasks)
    write_sample(out, prompts)
    made = {"repo": chosen.repo, "revision": files.revision, "sha256": files.sha256}
    about = {**found, "card": card, **made, "question": chosen.question, "decoding": "greedy"}
    beside = LocalStore(out.absolute().parent)
    beside.replace(out.with_suffix(".json").name, (json.dumps(about, indent=1) + "\n").encode())
    return about
