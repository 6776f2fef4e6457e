"""The command line: the whole path on one screen.

    plan -> generate -> measure -> rank -> publish      (`run` is all of it)

Further commands are in files of their own in `goldenseed.commands`: `search` finds good seeds with
a fraction of the images, `status`, `shares`, `study` and `verify` look into a run, `gc` removes
leftovers, `noise`, `repro` and `doctor` are about noise and the machine, and `reference` and
`prompts` make the files that a study of a real model needs.

Results go to stdout, as a table or, with --json, as JSON. Everything else goes to stderr.

Exit codes: 0 done; 1 a defect of this program (with a traceback); 2 an error in the input or on
the machine (the message says what to do); 3 some shards have no result (repeat the command);
4 verification found damage; 130 stopped by Ctrl-C or SIGTERM (repeat the command to continue).

A command imports what it needs when it is called, so that `--help` answers at once.
"""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

import goldenseed
from goldenseed.commands import check as check_command
from goldenseed.commands import compare as compare_command
from goldenseed.commands import copy as copy_command
from goldenseed.commands import doctor as doctor_command
from goldenseed.commands import exit_codes, looking
from goldenseed.commands import gc as gc_command
from goldenseed.commands import grid as grid_command
from goldenseed.commands import import_images as import_command
from goldenseed.commands import init as init_command
from goldenseed.commands import noise as noise_command
from goldenseed.commands import prompts as prompts_command
from goldenseed.commands import reference as reference_command
from goldenseed.commands import repair as repair_command
from goldenseed.commands import report as report_command
from goldenseed.commands import repro as repro_command
from goldenseed.commands import search as search_command
from goldenseed.commands import seeds as seeds_command
from goldenseed.commands import study as study_command
from goldenseed.commands import submit as submit_command
from goldenseed.commands.errors import exit_code_of
from goldenseed.commands.options import (
    AllowCode,
    AsJson,
    Authors,
    DryRun,
    Executor,
    PromptCount,
    PromptFile,
    PublishTo,
    RecipeName,
    RunFolder,
    RunPlace,
    Seeds,
    WhereOption,
    WithImages,
    WorkerCount,
)
from goldenseed.commands.sections import PathGroup

if TYPE_CHECKING:
    from goldenseed.steps.result import Result
    from pipeline.runs.run import Run
    from pipeline.settings.recipe import Recipe
    from pipeline.storage.address import Place


def _with_groups(app: typer.Typer) -> typer.Typer:
    """Add the commands that have files of their own."""
    app.command()(search_command.search)
    app.command()(submit_command.submit)
    app.command()(init_command.init)
    app.command("import")(import_command.import_images)
    for command in (looking.status, looking.shares, looking.verify, check_command.check):
        app.command()(command)
    app.command()(repair_command.repair)
    app.command()(report_command.report)
    app.command()(grid_command.grid)
    app.command()(compare_command.compare)
    app.command()(compare_command.votes)
    app.command()(compare_command.pick)
    app.command()(gc_command.gc)
    app.command()(copy_command.copy)
    app.command()(seeds_command.seeds)
    app.command()(noise_command.noise)
    app.command()(repro_command.repro)
    app.command()(doctor_command.doctor)
    app.command(cls=study_command.StudyCommand)(study_command.study)
    app.add_typer(prompts_command.app, name="prompts")
    app.add_typer(reference_command.app, name="reference")
    return app


app = _with_groups(typer.Typer(
    name="goldenseed",
    cls=PathGroup,
    help="Find out what a random seed does to a text-to-image diffusion model: draw a grid of "
    "prompts and seeds, measure each image, rank the seeds, and publish the best and the worst."
    "\n\nThe path is plan -> generate -> measure -> rank -> publish. A step that is repeated does "
    "only what is missing. `goldenseed run seedling-mini` takes the whole path with a small model "
    "that is included.",
    epilog="Exit codes: 0 done, 2 error in the input, 3 some shards missing (repeat the command), "
    "4 damage found, 130 stopped (repeat the command to continue).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
))  # fmt: skip


Reliability = Annotated[float | None, typer.Option(
    metavar="R", help="Also say how many prompts a ranking of reliability R (0 to 1) needs.",
)]  # fmt: skip
Part = Annotated[str, typer.Option(
    metavar="I/N", help="Draw part I of N equal parts of the grid, to share it among machines.",
)]  # fmt: skip


@app.command()
def plan(
    recipe: RecipeName, out: RunFolder = None, seeds: Seeds = "", prompts: PromptCount = None,
    reliability: Reliability = None, allow_code: AllowCode = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what a recipe will cost: images, shards, bytes and time. Draws no images.

    The estimate says what it is based on, and what such a grid can show about its seeds.
    """
    from goldenseed.output.plans import print_plans
    from goldenseed.steps import begin
    from goldenseed.steps.plan import plan_recipe, prompts_to_plan

    choice = begin.choose_recipe(recipe, seeds=seeds, prompts=prompts, allow_code=allow_code)
    begin.check_recipe(choice)
    begin.note_what_stops(choice)
    folder, chosen = _folder(choice, out), prompts_to_plan(choice)
    begin.refuse_ranking(choice, chosen, folder)
    plans = plan_recipe(choice, chosen, folder, reliability=reliability)
    print_plans(plans, as_json=as_json)


@app.command()
def generate(
    recipe: RecipeName, out: RunFolder = None, seeds: Seeds = "", prompts: PromptCount = None,
    executor: Executor = "ray", workers: WorkerCount = None, part: Part = "1/1",
    allow_code: AllowCode = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Draw the images of a recipe's grid that are not drawn yet."""
    from goldenseed.steps import begin, steps
    from pipeline.runs.run import parse_part

    choice = begin.choose_recipe(recipe, seeds=seeds, prompts=prompts, allow_code=allow_code)
    runs = begin.start_runs(choice, _folder(choice, out))
    pool = steps.Workers(executor, workers or choice.workers)
    results = [steps.generate(run, pool, part=parse_part(part)) for run in runs]
    _finish(runs, results, as_json=as_json)


@app.command()
def measure(
    path: RunPlace, executor: Executor = "ray", workers: WorkerCount = None,
    allow_code: AllowCode = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Measure the features of each image that lacks them, then the metrics of each seed."""
    from goldenseed.steps import begin, steps

    runs = begin.open_runs(path, allow_code=allow_code)
    pool = steps.Workers(executor, workers)
    results = [result for run in runs for result in steps.measure(run, pool)]
    _finish(runs, results, as_json=as_json)


@app.command()
def rank(
    path: RunPlace, where: WhereOption = None, prompts: PromptFile = None,
    allow_code: AllowCode = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Choose golden and bad seeds on prompt set 1, and confirm them on set 2.

    Prints the lists, what chance alone would give, and whether one list is enough for all prompts.
    With --where or --prompts, the run's own ranking stays as it is.
    """
    from analysis.ranking.one_list import one_list
    from goldenseed.output.rankings import print_answers, print_chosen, print_rankings
    from goldenseed.steps import begin, steps
    from goldenseed.steps.chosen_prompts import rank_some

    runs = begin.open_runs(path, allow_code=allow_code)
    if where or prompts:
        return print_chosen([rank_some(run, where or [], prompts) for run in runs], as_json=as_json)
    print_rankings([steps.rank(run) for run in runs], as_json=as_json)
    return print_answers([one_list(run) for run in runs if not as_json])


@app.command()
def publish(
    path: RunPlace, to: PublishTo = "", images: WithImages = False, author: Authors = None,
    dry_run: DryRun = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write the golden and bad seeds as a release: lists, evidence, card and checksums.

    The release is a new folder in RUN/releases, or in the folder of --to. An unchanged ranking
    gives the same folder again. `goldenseed check` verifies a release.
    """
    from goldenseed.output.rankings import print_releases
    from goldenseed.steps import begin, publishing

    authors = tuple(author or ())
    wanted = publishing.Wanted(to=to, images=images, authors=authors, dry_run=dry_run)
    releases = publishing.publish_all(begin.open_runs(path), wanted)
    print_releases(releases, as_json=as_json)


@app.command()
def run(
    recipe: RecipeName, out: RunFolder = None, seeds: Seeds = "", prompts: PromptCount = None,
    executor: Executor = "ray", workers: WorkerCount = None, allow_code: AllowCode = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Draw, measure, rank and publish. Repeat the command to continue a run that was stopped.

    The run folder then holds images/ and features/ (Parquet), per_seed.parquet (the metrics of
    each seed), ranking.json, and in releases/ the lists golden_seeds.json and bad_seeds.json
    with a contact sheet. Golden and bad seeds are printed, with what chance alone would give.
    """
    from analysis.ranking.result import nothing_ranked
    from analysis.seed_sentence import seed_sentence
    from analysis.studies.results import outcomes
    from goldenseed.output.rankings import print_conclusions
    from goldenseed.output.statuses import print_findings
    from goldenseed.output.summaries import note_summary
    from goldenseed.progress import note
    from goldenseed.steps import begin, steps

    choice = begin.choose_recipe(recipe, seeds=seeds, prompts=prompts, allow_code=allow_code)
    runs = begin.start_runs(choice, _folder(choice, out), to_rank=True)
    pool = steps.Workers(executor, workers or choice.workers)
    results = [result for run in runs for result in steps.draw_and_measure(run, pool)]
    note_summary(results)
    _stop_if_incomplete(runs, results)
    if choice.ranking is None:
        note(nothing_ranked(choice.name))
        for run in runs:
            note(f"{run.root.name}: {seed_sentence(steps.seed_shares(run))}")
        return _print_statuses(runs, as_json=as_json)
    print_conclusions([steps.conclude(run) for run in runs], as_json=as_json)
    return print_findings([outcomes(run) for run in runs if not as_json])


def _folder(recipe: "Recipe", out: "Place | None") -> "Place":
    return out or Path("runs") / recipe.name


def _finish(runs: "list[Run]", results: "list[Result]", *, as_json: bool) -> None:
    from goldenseed.output.summaries import note_summary

    note_summary(results)
    _print_statuses(runs, as_json=as_json)
    _stop_if_incomplete(runs, results)


def _print_statuses(runs: "list[Run]", *, as_json: bool) -> None:
    from goldenseed.output.statuses import print_statuses
    from goldenseed.steps.status import status_of

    print_statuses([status_of(run) for run in runs], as_json=as_json)


def _stop_if_incomplete(runs: "list[Run]", results: "list[Result]") -> None:
    from goldenseed.steps.steps import refuse_without_images

    if any(result.errors for result in results):
        raise typer.Exit(exit_codes.INCOMPLETE)
    refuse_without_images(runs)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(goldenseed.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and exit.",
    )] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log each step on stderr.")] = False,
) -> None:  # fmt: skip
    from goldenseed.progress import show_progress_lines

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
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # Ray's workers inherit both
    sys.exit(exit_code_of(app))
