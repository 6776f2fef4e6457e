"""`goldenseed repair`: make again what is damaged in a run, and nothing else."""

import typer

from goldenseed.commands import exit_codes
from goldenseed.commands.options import AllowCode, AsJson, Executor, RunPath, WorkerCount


def repair(
    path: RunPath, *, executor: Executor = "ray", workers: WorkerCount = None,
    allow_code: AllowCode = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Draw and measure again what is damaged in a run, and nothing else.

    Damaged files are set aside, as by `verify --repair`. Ends with exit code 3 if a shard could not
    be made again (repeat the command), and with 4 if damage is left that no command can mend.
    """
    from goldenseed.output.verification import print_repairs
    from goldenseed.steps import begin, steps
    from goldenseed.steps.repair import repair as repaired
    from pipeline import registry
    from pipeline.storage.address import local_path

    registry.allow_code(allowed=allow_code)
    pool = steps.Workers(executor, workers)
    repairs = [repaired(local_path(folder), pool) for folder in begin.run_folders(path)]
    print_repairs(repairs, as_json=as_json)
    if any(done.errors for done in repairs):
        raise typer.Exit(exit_codes.INCOMPLETE)
    if any(done.left for done in repairs):
        raise typer.Exit(exit_codes.DAMAGED)
