"""`goldenseed repro`: draw a cell of a run again, in batches of several sizes."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from goldenseed.commands.options import AsJson, RunPath

if TYPE_CHECKING:
    from pipeline.drawing.redraw import Difference

Seed = Annotated[
    int | None,
    typer.Option(metavar="SEED", show_default="the first", help="A seed of the run."),
]


def repro(path: RunPath, seed: Seed = None, *, as_json: AsJson = False) -> None:
    """Draw one image of a run again, alone and with 1 and 7 others, and compare the images.

    The differences say how far this machine reproduces the run. Up to 1 of 255 is rounding.
    """
    from goldenseed.output import tables
    from goldenseed.steps import begin
    from goldenseed.steps.repro import choose_cell, repeat

    for run in begin.open_runs(path):
        prompt, cell_seed = cell = choose_cell(run, seed)
        repetitions = list(repeat(run, cell))
        if as_json:
            rows = [asdict(repetition) for repetition in repetitions]
            tables.print_json({"prompt_id": prompt, "seed": cell_seed, "repetitions": rows})
            continue
        rows = [
            {
                "batch": repetition.batch,
                "from the stored image": _words(repetition.stored),
                "from a batch of one": _words(repetition.alone),
            }
            for repetition in repetitions
        ]
        text = run.prompts[prompt].text
        tables.print_rows(f"seed {cell_seed}, {text!r}: difference of the new image", rows)


def _words(difference: "Difference | None") -> str:
    if difference is None:
        return "-"
    if not difference.largest:
        return "none"
    return f"at most {difference.largest} of 255, in {difference.share:.2%} of the values"
