"""`goldenseed reference`: what real images are like, for distances from them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from analysis.metrics.base import REFERENCES_VARIABLE, reference_name
from goldenseed.commands.options import AsJson, Executor, WorkerCount
from goldenseed.output import tables
from goldenseed.progress import follow, note
from goldenseed.steps import steps
from pipeline.errors import ConfigError, RunError
from pipeline.executors.base import make_executor
from pipeline.stage import Outcome, Stage

app = typer.Typer(help="Features of real images, for FID, KID and FD-DINOv2.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Features of real images, for FID, KID and FD-DINOv2."""


@app.command()
def build(
    source: Annotated[Path, typer.Argument(help="Folder of images, or Parquet.")],
    feature: Annotated[str, typer.Option(help="Feature, or feature@card.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(help=f"File; default ${REFERENCES_VARIABLE}/<feature>.safetensors."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=2, help="Images, by a hash of their names; default all.")
    ] = None,
    size: Annotated[
        int, typer.Option(min=0, help="Side of the middle square; 0 leaves images as they are.")
    ] = 512,
    column: Annotated[str, typer.Option(help="The feature's column, if it has several.")] = "",
    executor: Executor = "ray",
    workers: WorkerCount = None,
    as_json: AsJson = False,
) -> None:
    """Measure real images once; the same command again goes on where it stopped."""
    from analysis.reference.parts import Plan

    plan = Plan(source.absolute(), feature, size, column, count)
    about = build_reference(plan, _target(out, feature), steps.Workers(executor, workers))
    if as_json:
        tables.line(tables.to_json(about))
        return
    tables.line(
        f"{about['n']:,} images of {about['files']:,} files, {about['width']} numbers each "
        f"({about['feature_identity']}); {len(about['skipped']):,} skipped, "
        f"{about['converted_to_rgb']:,} converted to RGB, {about['enlarged']:,} enlarged, "
        f"{about['same_content']:,} with the same content as another"
    )


def _target(out: Path | None, feature: str) -> Path:
    folder = os.environ.get(REFERENCES_VARIABLE)
    if out is None and not folder:
        raise ConfigError(
            f"where to? give --out FILE.safetensors, or set {REFERENCES_VARIABLE} to a folder"
        )
    target = out or Path(folder or "") / reference_name(feature)
    if target.suffix != ".safetensors":
        raise ConfigError(f"--out {target}: wanted a name that ends in .safetensors")
    return target


def build_reference(plan: Any, out: Path, workers: steps.Workers) -> dict[str, Any]:  # noqa: ANN401
    """Build a reference, or go on with one.

    Args:
        plan: An `analysis.reference.parts.Plan`.
        out: The file.
        workers: Where.

    Returns:
        What stands in the JSON beside it.

    Raises:
        GoldenseedError: If images, feature or file are not as they must be.
    """
    from analysis.reference import build, parts
    from analysis.reference.sources import file_hashes, open_source

    stage = parts.ReferenceStage(plan, Path(f"{out.absolute()}.parts"))
    source = open_source(plan.source, plan.count)
    if source.others:
        note(f"{source.others:,} files of {plan.source} are no images by their names: not read")
    note(f"reference: hashing {len(source.names):,} images")
    hashes = list(file_hashes(source))
    identity = build.identity_of(plan, source.names, hashes)
    there = build.already_built(out, identity)
    if there is not None:
        note(f"{out} is this very reference already: nothing to do")
        return there
    tasks = parts.plan_parts(plan, source.names, hashes)
    left = [task for task in tasks if not stage.store.exists(task.key)]
    run_stage("reference", stage, left, sum(len(t.names) for t in left), workers)
    about = build.finish(plan, tasks, stage.store.root, out)
    remove_empty(stage.store.root)
    return about


def run_stage(
    title: str, stage: Stage[Any], tasks: Sequence[Any], total: int, workers: steps.Workers
) -> None:
    """Run a stage to its end.

    Raises:
        RunError: If a task has no result: what is done is kept, the same command goes on.
    """
    errors = []
    executor = make_executor(workers.executor, workers.count)
    outcomes = follow(executor.run(stage, tasks), what=title, total=total) if tasks else ()
    outcome: Outcome
    for outcome in outcomes:
        if outcome.error:
            errors.append(outcome.error)
    if errors:
        raise RunError(
            f"{title}: {len(errors)} of {len(tasks)} parts have no result: {errors[0]}. What is "
            f"done is kept: the same command goes on"
        )


def remove_empty(folder: Path) -> None:
    """Remove a folder of parts, unless others are still in it."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
