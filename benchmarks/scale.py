"""Time a run of up to 46,104,576 images without its images: plan, state, resume, scalar analyses.

The grid is that of two models with 22,512 prompts x 1,024 seeds each, as one run of 2,048 seeds;
`--cells` takes fewer prompts. Shards, receipts and features are real files (see
`benchmarks.simulated_run`); without an analysis among the `--steps`, the data files are holes. Each
step runs in a process of its own, whose wall time, processor time and largest resident memory are
measured:

    plan          what the grid costs, and how much of it is drawn
    status        the state, with all receipts opened, and again with the manifest
    compact       write the manifest
    resume        find the shards of 1 % of the tiles, which were deleted
    drive         hand all tiles to a stage that does nothing
    measure       metrics of each seed, with intervals
    rank          rank the seeds, with 2,000 permutations
    shares        variance shares of each number, with 2,000 permutations
    quality, golden    these studies

There is no other program to compare with: `peer` is a limit that was set beforehand, `ratio` is the
limit divided by the step that is nearest to its own, and so the goal is 1.

Run: `python -m benchmarks.scale --cells 461045` (1 %)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import peak_megabytes, report_ratio

if TYPE_CHECKING:
    from benchmarks.simulated_run import Grid
    from pipeline.runs.grid import Tile
    from pipeline.runs.run import Run
    from pipeline.stage import Outcome

CELLS = 46_104_576
SEEDS = 2048
ANALYSES = ("measure", "rank", "shares", "quality", "golden")
STEPS = ("plan", "status", "compact", "status_again", "resume", "drive", *ANALYSES)
SECONDS, MEGABYTES = 900.0, 8000.0
LOST = 0.01
PROCESSES = 2
"""Processes that write the simulated run."""


@dataclass(frozen=True)
class Cost:
    """What a step took, and what it found.

    Attributes:
        seconds: Wall time, with the start of the process.
        cpu_seconds: Processor time of the process.
        megabytes: Largest resident memory.
        found: A number that is checked.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float
    found: float


def step(name: str, folder: Path) -> float:
    """Do a step, with the functions that the command calls; return what it found."""
    from pipeline.registry import allow_code
    from pipeline.runs.run import Run

    allow_code(allowed=True)
    run = Run.open(folder / "run")
    if name in ("quality", "golden"):
        from analysis.studies import load_study

        return len(load_study(name, {}).find(run).tables)
    steps: dict[str, Callable[[Run], float]] = {
        "status": _drawn,
        "status_again": _drawn,
        "compact": _compact,
        "resume": lambda run: len(run.missing()),
        "drive": _drive,
        "measure": _measure,
        "rank": _rank,
        "shares": _shares,
    }
    return _plan(folder) if name == "plan" else steps[name](run)


def _plan(folder: Path) -> float:
    from goldenseed.steps.begin import load_prompts
    from goldenseed.steps.plan import plan_recipe
    from pipeline.settings.recipe import load_recipe

    recipe = load_recipe(str(folder / "recipe.yaml"))
    prompts = {prompt.id: prompt for prompt in load_prompts(recipe).prompts}
    return plan_recipe(recipe, prompts, folder / "run")[0].cells


def _drawn(run: "Run") -> float:
    from goldenseed.steps.status import status_of

    return status_of(run).drawn


def _compact(run: "Run") -> float:
    from pipeline.storage.manifest import compact, receipt_index

    compact(run.images)
    return len(receipt_index(run.images))


def _drive(run: "Run") -> float:
    from pipeline.executors.local import LocalExecutor

    return sum(outcome.cells for outcome in LocalExecutor().run(Idle(), run.tiles()))


def _measure(run: "Run") -> float:
    from analysis.per_seed import measure

    return len(measure(run, run.recipe.metrics))


def _rank(run: "Run") -> float:
    from analysis.ranking.rank import rank

    return rank(run).n_seeds


def _shares(run: "Run") -> float:
    from analysis.seed_shares import share_table

    return len(share_table(run))


class Idle:
    """A stage that counts cells."""

    name: str = "idle"

    def __init__(self) -> None:
        from pipeline.stage import Resources

        self.resources = Resources()

    def setup(self) -> None:
        """Nothing is to be prepared."""

    def run(self, task: "Tile") -> "Outcome":
        """Say that a tile is done."""
        from pipeline.stage import Outcome

        return Outcome(task.id, len(task.seeds) * len(task.prompt_ids))


def child(name: str, folder: Path) -> None:
    """Do a step and print what it took."""
    found = step(name, folder)
    print(json.dumps([found, sum(os.times()[:2]), peak_megabytes()]))


def cost(name: str, folder: Path) -> Cost:
    """Do a step in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--child", name, "--folder", str(folder)]
    start = time.perf_counter()
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found, processor, megabytes = json.loads(process.stdout.splitlines()[-1])
    return Cost(time.perf_counter() - start, processor, megabytes, found)


def lose(run: "Run", share: float) -> int:
    """Delete the data of a share of the tiles; return how many."""
    tiles = list(run.tiles())
    lost = tiles[:: round(1 / share)]
    for tile in lost:
        receipt = run.images.receipt(tile.id, tile.block)
        if receipt is not None:
            run.images.data_path(receipt).unlink()
    return len(lost)


def measure_all(folder: Path, grid: "Grid", steps: Sequence[str]) -> tuple[dict[str, Cost], bool]:
    """Simulate a run, do the steps, and check what they find."""
    from benchmarks.simulated_run import METRICS, SCALARS, simulate
    from benchmarks.simulated_shards import write_tiles

    ranking = {"metric": METRICS[0], "share": 0.25}
    start = time.perf_counter()
    fields, empty = {"ranking": ranking}, not set(ANALYSES).intersection(steps)
    run = simulate(folder, grid, SCALARS, METRICS, fields=fields, processes=PROCESSES, empty=empty)
    tiles = list(run.tiles())
    sys.stderr.write(f"{len(tiles):,} tiles written in {time.perf_counter() - start:.0f} s\n")
    wanted = {
        **dict.fromkeys(("plan", "status", "status_again", "drive"), grid.cells),
        **{"compact": len(tiles), "rank": grid.seeds, "measure": 2 * grid.seeds * len(METRICS)},
    }
    costs, right = {}, True
    for name in steps:
        if name == "resume":
            wanted[name] = lose(run, LOST)
        costs[name] = cost(name, folder)
        right &= costs[name].found == wanted.get(name, costs[name].found)
        seconds, processor = costs[name].seconds, costs[name].cpu_seconds
        sys.stderr.write(f"{name}: {seconds:.1f} s, {processor:.1f} s of processors\n")
        if name == "resume":
            write_tiles(run, run.missing(), processes=1, empty=empty)
    return costs, right


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report the step that is nearest to its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cells", type=int, default=CELLS // 100)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--child", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        child(chosen.child, chosen.folder)
        return 0
    from benchmarks.simulated_run import Grid

    grid = Grid(chosen.seeds, max(1, round(chosen.cells / chosen.seeds)))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        costs, right = measure_all(Path(folder), grid, chosen.steps)
    used = {(name, "s"): (each.seconds, SECONDS) for name, each in costs.items()}
    used |= {(name, "MB"): (each.megabytes, MEGABYTES) for name, each in costs.items()}
    figure, unit = min(used, key=lambda key: used[key][1] / used[key][0])
    ours, limit = used[figure, unit]
    return report_ratio(
        "scale",
        ours,
        limit,
        unit=unit,
        goal=1.0,
        runs=1,
        right=right,
        more={
            "step": figure,
            "right": right,
            "cells": grid.cells,
            "steps": {name: asdict(each) for name, each in costs.items()},
        },
    )


if __name__ == "__main__":
    sys.exit(main())
