"""The command: the whole path on one screen.

    plan -> generate -> measure -> rank -> publish      (`run` is all of it)

Beside the path, each in a file of its own: `reference` (reference_command.py) and `prompts`
(prompts_command.py) prepare what a study of a real model needs; `study` (study_command.py) says
what is found in a run; `search` (search_command.py) finds good seeds with a fraction of the images.

Results go to stdout, as a table or with --json as JSON; everything else goes to stderr.

Exit codes: 0 done; 1 a defect of this program (with a traceback); 2 something outside it is
not as it must be (with what to do); 3 some shards have no result (repeat the command);
4 verification found damage; 130 stopped by Ctrl-C or SIGTERM (repeat the command to go on).
"""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from analysis.ranking.rank import nothing_ranked
from analysis.seed_shares import share_table
from analysis.studies.results import outcomes
from goldenseed import __version__
from goldenseed.commands import prompts as prompts_command
from goldenseed.commands import reference as reference_command
from goldenseed.commands import search as search_command
from goldenseed.commands import study as study_command
from goldenseed.commands.options import AsJson, Executor, RunPath, WorkerCount
from goldenseed.output import tables
from goldenseed.output.shares import print_shares
from goldenseed.progress import note, show_progress_lines
from goldenseed.steps import begin, steps
from goldenseed.steps.plan import plan_recipe, prompts_to_plan
from goldenseed.steps.status import status_of
from goldenseed.steps.verify import repair, verify_run
from pipeline.errors import GoldenseedError
from pipeline.runs.run import Run, parse_part
from pipeline.settings.recipe import Recipe, load_recipe

EXIT_BAD_INPUT, EXIT_INCOMPLETE, EXIT_DAMAGED, EXIT_STOPPED = 2, 3, 4, 130


def _with_groups(app: typer.Typer) -> typer.Typer:
    """Add the commands that stand in files of their own."""
    app.command()(study_command.study)
    app.command()(search_command.search)
    app.add_typer(reference_command.app, name="reference")
    app.add_typer(prompts_command.app, name="prompts")
    return app


app = _with_groups(typer.Typer(
    name="goldenseed",
    help="What a random seed does to a text-to-image diffusion model.",
    epilog="Exit codes: 0 done, 2 bad input, 3 some shards missing (repeat the command), "
    "4 damage found, 130 stopped (repeat the command).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
))  # fmt: skip

RecipeName = Annotated[str, typer.Argument(help="Name of a recipe, or a path to a .yaml file.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; default runs/<recipe>.")]
Seeds = Annotated[str, typer.Option(help="Seeds: a count, start:stop, or 7,11,469.")]
Prompts = Annotated[int | None, typer.Option(min=1, help="Number of prompts.")]
Reliability = Annotated[
    float | None, typer.Option(help="Say how many prompts a ranking so reliable takes.")
]
Part = Annotated[str, typer.Option(help="i/n: draw only the i-th of n parts of the grid.")]


@app.command()
def plan(
    recipe: RecipeName, out: Out = None, seeds: Seeds = "", prompts: Prompts = None,
    reliability: Reliability = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what a recipe will cost: cells, shards, bytes, time. Draws nothing."""
    chosen = begin.choose(load_recipe(recipe), seeds=seeds, prompts=prompts)
    begin.check_recipe(chosen)
    if chosen.ranking is None:
        note(nothing_ranked(chosen.name))
    folder = _folder(chosen, out)
    plans = plan_recipe(chosen, prompts_to_plan(chosen), folder, reliability=reliability)
    tables.result([arm.as_dict() for arm in plans], as_json=as_json, table=tables.plan_table(plans))


@app.command()
def generate(
    recipe: RecipeName, out: Out = None, seeds: Seeds = "", prompts: Prompts = None,
    executor: Executor = "ray", workers: WorkerCount = None, part: Part = "1/1",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Draw the grid: only what is not there yet."""
    chosen = begin.choose(load_recipe(recipe), seeds=seeds, prompts=prompts)
    runs = begin.start_runs(chosen, _folder(chosen, out))
    place = steps.Workers(executor, workers or chosen.workers)
    results = [steps.generate(run, place, part=parse_part(part)) for run in runs]
    _finish(runs, results, as_json=as_json)


@app.command()
def measure(
    run: RunPath, executor: Executor = "ray", workers: WorkerCount = None, as_json: AsJson = False
) -> None:
    """Measure every image, and every seed: features, then metrics."""
    runs = begin.open_runs(run)
    place = steps.Workers(executor, workers)
    results = [step for one in runs for step in steps.measure(one, place)]
    _finish(runs, results, as_json=as_json)


@app.command()
def rank(run: RunPath, as_json: AsJson = False) -> None:
    """Rank the seeds, confirm them on the second prompt set, and say what chance gives."""
    tables.rankings([steps.rank(one) for one in begin.open_runs(run)], as_json=as_json)


@app.command()
def shares(run: RunPath, as_json: AsJson = False) -> None:
    """Say how much of every measure's variance belongs to the seed, the prompt, and neither."""
    found = [(one.root.name, share_table(one)) for one in begin.open_runs(run)]
    print_shares(found, as_json=as_json)


@app.command()
def publish(run: RunPath, as_json: AsJson = False) -> None:
    """Write the golden and the bad list as a release."""
    tables.releases([steps.publish(one) for one in begin.open_runs(run)], as_json=as_json)


@app.command()
def run(
    recipe: RecipeName, out: Out = None, seeds: Seeds = "", prompts: Prompts = None,
    executor: Executor = "ray", workers: WorkerCount = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """All of it: draw, measure, rank, publish. The same command again goes on."""
    chosen = begin.choose(load_recipe(recipe), seeds=seeds, prompts=prompts)
    runs = begin.start_runs(chosen, _folder(chosen, out))
    place = steps.Workers(executor, workers or chosen.workers)
    results = [step for one in runs for step in steps.draw_and_measure(one, place)]
    _stop_if_incomplete(results)
    if chosen.ranking is None:
        note(nothing_ranked(chosen.name))
        return _finish(runs, results, as_json=as_json)
    ends = [(steps.rank(one), steps.seed_shares(one), steps.publish(one)) for one in runs]
    tables.conclusion(ends, as_json=as_json)
    tables.findings([outcomes(one) for one in runs if not as_json])
    return None


@app.command()
def status(run: RunPath, as_json: AsJson = False) -> None:
    """Say how far a run is."""
    found = [status_of(one) for one in begin.open_runs(run)]
    tables.statuses(found, as_json=as_json)


@app.command()
def verify(
    run: RunPath, as_json: AsJson = False,
    mend: Annotated[bool, typer.Option("--repair", help="Set damaged shards aside.")] = False,
) -> None:  # fmt: skip
    """Read every shard back and hash it again."""
    report = tables.Verification()
    for one in begin.open_runs(run):
        for found in verify_run(one):
            repaired = bool(found.problem) and mend and repair(one, found)
            report.add(found, repaired=repaired)
    report.print(as_json=as_json)
    if report.problems:
        raise typer.Exit(EXIT_DAMAGED)


def _folder(recipe: Recipe, out: Path | None) -> Path:
    return out or Path("runs") / recipe.name


def _stop_if_incomplete(results: list[steps.Result]) -> None:
    errors = [error for result in results for error in result.errors]
    if errors:
        note(f"{len(errors)} shard(s) have no result; the same command tries them again:")
        for error in errors[:10]:
            note(f"  {error}")
        raise typer.Exit(EXIT_INCOMPLETE)


def _finish(runs: list[Run], results: list[steps.Result], *, as_json: bool) -> None:
    found = [status_of(one) for one in runs]
    tables.steps(results)
    tables.result([s.as_dict() for s in found], as_json=as_json, table=tables.status_table(found))
    _stop_if_incomplete(results)


def _version(value: bool) -> None:
    if value:
        tables.line(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what is done.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    show_progress_lines()


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Entry point of the command."""
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # actors inherit both
    try:
        code = app(standalone_mode=False)
    except GoldenseedError as error:
        note(f"goldenseed: {error}")
        sys.exit(EXIT_BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_STOPPED
    except typer.TyperException as error:
        note(f"goldenseed: {error} See `goldenseed --help`.")
        sys.exit(EXIT_BAD_INPUT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    if code == EXIT_STOPPED:  # typer turns a KeyboardInterrupt into this code
        note("goldenseed: stopped; what is drawn is kept, the same command goes on")
    sys.exit(code if isinstance(code, int) else 0)
