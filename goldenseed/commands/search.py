"""`goldenseed search`: find good seeds with a fraction of the images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from goldenseed.commands import exit_codes
from goldenseed.commands.options import (
    AllowCode,
    AsJson,
    Executor,
    PromptCount,
    RecipeName,
    Seeds,
    WorkerCount,
)
from pipeline.storage.address import local_path

SHOWN = 20
"""Listed seeds that are printed; the file holds all."""


def search(
    recipe: RecipeName,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            parser=local_path,
            show_default="runs/RECIPE-search",
            help="Run folder to begin, or to continue.",
        ),
    ] = None,
    seeds: Seeds = "",
    prompts: PromptCount = None,
    metric: Annotated[
        str,
        typer.Option(metavar="NAME", show_default="the recipe's", help="Metric to search by."),
    ] = "",
    share: Annotated[
        float,
        typer.Option(
            metavar="X", show_default="the recipe's", help="Share of the seeds to list (0 to 1)."
        ),
    ] = 0.0,
    budget: Annotated[
        float, typer.Option(metavar="X", help="Share of the grid that may be drawn (0 to 1).")
    ] = 0.2,
    error: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="Largest probability that any of the seeds called certain is wrong (0 to 1).",
        ),
    ] = 0.1,
    executor: Executor = "ray",
    workers: WorkerCount = None,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
) -> None:
    """Find good seeds by a race that draws only the images it needs.

    Repeat the command to continue a search that was stopped. The list is written to
    search.json in the run folder. It holds for the prompts of set 1, which chose it.
    """
    from goldenseed.output import tables
    from goldenseed.output.summaries import note_summary
    from goldenseed.steps import begin
    from goldenseed.steps.search.race import Incomplete, Search, run_search
    from goldenseed.steps.search.start import start_search
    from goldenseed.steps.steps import Workers
    from pipeline.runs.layout import SEARCH_FILE

    choice = begin.choose_recipe(recipe, seeds=seeds, prompts=prompts, allow_code=allow_code)
    run = start_search(choice, out or Path("runs") / f"{choice.name}-search", metric=metric)
    pool = Workers(executor, workers or choice.workers)
    try:
        result, done = run_search(run, Search(metric, share, budget, error), pool)
    except Incomplete as stop:
        note_summary(stop.results)
        raise typer.Exit(exit_codes.INCOMPLETE) from stop
    note_summary(done)
    if as_json:
        tables.print_json(result)
        return
    _print(result, run.folder / SEARCH_FILE)


def _print(result: dict[str, Any], file: Path) -> None:
    from goldenseed.output import tables

    rows = [
        {
            "seed": row["seed"],
            "above the panel": f"{row['value']:.4g}",
            "holds for all at once": f"{row['low']:.4g} to {row['high']:.4g}",
            "probability": f"{row['probability']:.2f}",
            "certain": "yes" if row["certain"] else "",
            "images": row["images"],
        }
        for row in result["list"]
    ]
    title = f"seeds by {result['metric']}, best first (positive is better)"
    tables.print_rows(title, rows[:SHOWN])
    for text in conclusion(result):
        tables.line(text)
    tables.line(f"all {len(rows):,} listed seeds: {tables.short_path(file)}")


def conclusion(result: dict[str, Any]) -> list[str]:
    """Explain how certain the list is."""
    plan, certain = result["plan"], result["certain"]
    names = f" ({', '.join(map(str, certain[:SHOWN]))})" if certain else ""
    return [
        f"{result['images']:,} of {result['images_full']:,} images drawn "
        f"({result['images'] / result['images_full']:.0%}), {plan['seeds']:,} seeds, "
        f"{len(plan['looks'])} looks.",
        f"Certain to be among the best {plan['top']:,}: {len(certain)} seeds{names}. The "
        f"probability that any of them is not is at most {result['error']:.0%}, over all seeds "
        f"and looks.",
        f"Sure: {len(result['sure'])} seeds, of which at most {result['error']:.0%} are expected "
        f"to be wrong (by posterior probability; not calibrated below about 250 seeds).",
        f"Of the whole list of {len(result['list']):,} seeds {result['expected_error']:.0%} are "
        f"expected to be wrong (an estimate). With as many images spread evenly: "
        f"{result['expected_error_uniform']:.0%}; with a list drawn at random: "
        f"{1 - plan['top'] / plan['seeds']:.0%}.",
        "All of this holds for the prompts that chose the list. Other prompts must show what the "
        "list gains.",
    ]
