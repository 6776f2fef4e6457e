"""`goldenseed search`: the good seeds with a fraction of the images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from goldenseed.commands.options import AsJson, Executor, WorkerCount
from goldenseed.output import tables
from goldenseed.progress import note
from goldenseed.steps import begin, steps
from goldenseed.steps.search import Incomplete, Search, run_search, start_search
from pipeline.runs.layout import SEARCH_FILE
from pipeline.settings.recipe import load_recipe

EXIT_INCOMPLETE = 3
SHOWN = 20
"""Listed seeds that are printed; all are in the file."""


def search(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a path to a .yaml file.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; default runs/<recipe>-search.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds: a count, start:stop, or 7,11,469.")] = "",
    prompts: Annotated[int | None, typer.Option(min=1, help="Number of prompts.")] = None,
    metric: Annotated[str, typer.Option(help="What to go by; default: the recipe's ranking.")] = "",
    share: Annotated[float, typer.Option(help="Share of the seeds in the list.")] = 0.0,
    budget: Annotated[float, typer.Option(help="Share of the grid that may be drawn.")] = 0.2,
    error: Annotated[float, typer.Option(help="Bound on the error of certain seeds.")] = 0.1,
    executor: Executor = "ray",
    workers: WorkerCount = None,
    as_json: AsJson = False,
) -> None:
    """Find the good seeds by a race that draws only what it asks for. Goes on after a kill."""
    chosen = begin.choose(load_recipe(recipe), seeds=seeds, prompts=prompts)
    asked = Search(metric, share, budget, error)
    run = start_search(chosen, out or Path("runs") / f"{chosen.name}-search", metric=metric)
    place = steps.Workers(executor, workers or chosen.workers)
    try:
        found = run_search(run, asked, place)
    except Incomplete as stop:
        for text in [error for result in stop.results for error in result.errors][:10]:
            note(f"  {text}")
        note(f"{stop}; the same command tries them again")
        raise typer.Exit(EXIT_INCOMPLETE) from stop
    if as_json:
        tables.line(tables.to_json(found))
        return
    _show(found, run.root / SEARCH_FILE)


def _show(found: dict[str, Any], file: Path) -> None:
    rows = [
        {
            "seed": row["seed"],
            "above the panel": f"{row['value']:.4g}",
            "holds for all at once": f"{row['low']:.4g} to {row['high']:.4g}",
            "probability": f"{row['probability']:.2f}",
            "certain": "yes" if row["certain"] else "",
            "images": row["images"],
        }
        for row in found["list"]
    ]
    title = f"seeds by {found['metric']}, best first (positive is better)"
    tables.console().print(tables.columns(title, rows[:SHOWN]))
    for text in conclusion(found):
        tables.line(text)
    tables.line(f"all {len(rows):,} listed seeds: {tables.shown(file)}")


def conclusion(found: dict[str, Any]) -> list[str]:
    """What the list is worth, in words."""
    plan, certain = found["plan"], found["certain"]
    named = f" ({', '.join(map(str, certain[:SHOWN]))})" if certain else ""
    return [
        f"{found['images']:,} of {found['images_full']:,} images drawn "
        f"({found['images'] / found['images_full']:.0%}), {plan['seeds']:,} seeds, "
        f"{len(plan['looks'])} looks.",
        f"Certain to be among the best {plan['top']:,}: {len(certain)} seeds{named}; the "
        f"probability that any of them is not is at most {found['error']:.0%}, over all seeds and "
        f"looks.",
        f"Sure: {len(found['sure'])} seeds, of which an expected {found['error']:.0%} at most are "
        f"wrong (by posterior probability; not calibrated below about 250 seeds).",
        f"Of the whole list of {len(found['list']):,} an expected {found['expected_error']:.0%} "
        f"are wrong (an estimate); as many images spread evenly: "
        f"{found['expected_error_uniform']:.0%}; a list at random: "
        f"{1 - plan['top'] / plan['seeds']:.0%}.",
        "All of it is of the prompts that chose: what the list gains, other prompts must show.",
    ]
