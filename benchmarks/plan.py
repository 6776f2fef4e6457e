"""Time planning a large grid and reading its state, each in its own process.

`plan`: 22,512 prompts x 1,024 seeds for two models, from the prompt file to the costs. `status`:
a run folder with 45,056 receipts, one file each; once by opening all receipts and once with the
manifest that a driver leaves behind. Each number is the total time of a fresh Python process,
including imports, or its largest resident memory.

There is no other program to compare with: `peer` is a limit that was set beforehand, `ratio` is
the limit divided by ours, and so the goal is 1.

Run: `python -m benchmarks.plan`
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import peak_megabytes, report_ratio

SECONDS = 5.0
MEGABYTES = 500.0
CARDS = ("sd15", "sd2-base")
STATUS_SEEDS = 2


@dataclass(frozen=True)
class Size:
    """How large the grid is.

    Attributes:
        prompts: Number of prompts in the file.
        seeds: Number of seeds of the plan; the status run has twice as many.
        runs: How often each number is measured.
    """

    prompts: int
    seeds: int
    runs: int


@dataclass(frozen=True)
class Life:
    """The cost of a process: wall seconds, and its largest resident memory in MB."""

    seconds: float
    megabytes: float


def write_inputs(folder: Path, size: Size) -> None:
    """Write a prompt file and one recipe per model."""
    lines = [json.dumps({"text": f"a photo of thing number {n}"}) for n in range(size.prompts)]
    source = folder / "prompts.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for card in CARDS:
        recipe = (
            f"card: {card}\nprompts: {{source: {source}}}\n"
            f"seeds: {{start: 0, count: {size.seeds}}}\ntile: {{seeds: 32, prompts: 32}}\n"
            f"metrics: []\nranking: null\n"
        )
        (folder / f"{card}.yaml").write_text(recipe, encoding="utf-8")


def write_run(folder: Path, size: Size) -> int:
    """Write a run folder in which each tile has a receipt; return the number of receipts."""
    from goldenseed.steps.begin import load_prompts
    from pipeline.runs.run import Run
    from pipeline.settings.choices import SeedChoice
    from pipeline.settings.config import RunConfig
    from pipeline.settings.recipe import load_recipe
    from pipeline.storage.receipts import Receipt

    recipe = load_recipe(str(folder / f"{CARDS[0]}.yaml"))
    seeds = SeedChoice(count=STATUS_SEEDS * size.seeds)
    config = RunConfig(
        card=CARDS[0], card_sha256="0" * 64, dtype="float16", height=512, width=512,
        scheduler="DDIMScheduler", num_inference_steps=40, guidance_scale=7.5, batch_size=32,
    )  # fmt: skip
    run = Run.start(folder / "run", config, recipe)
    run.grow(seeds.values(), load_prompts(recipe).prompts)
    tiles = list(run.tiles())
    for tile in tiles:
        file = f"{tile.block}/{tile.id}-00000000.parquet"
        receipt = Receipt(tile.id, tile.block, file, 1024, 10**8, "0" * 64, run.run_id)
        path = run.store.path(run.images.receipt_key(tile.id, tile.block))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(receipt.to_json())
    return len(tiles)


def child(work: str, folder: Path) -> None:
    """Do the work of the measured process, with the same functions as the command."""
    if work == "plan":
        from goldenseed.steps.begin import load_prompts
        from goldenseed.steps.plan import plan_recipe
        from pipeline.settings.recipe import load_recipe

        for card in CARDS:
            recipe = load_recipe(str(folder / f"{card}.yaml"))
            prompts = {prompt.id: prompt for prompt in load_prompts(recipe).prompts}
            plans = plan_recipe(recipe, prompts, folder / "absent")
            print(json.dumps([plan.as_dict() for plan in plans]))
    else:
        from goldenseed.steps.status import status_of
        from pipeline.runs.run import Run

        print(json.dumps(status_of(Run.open(folder / "run")).as_dict()))
    print(peak_megabytes())


def life(work: str, folder: Path) -> tuple[Life, list[dict[str, object]]]:
    """Run a child process to its end; return its cost and what it printed."""
    command = [sys.executable, "-m", "benchmarks.plan", "--child", work, "--folder", str(folder)]
    start = time.perf_counter()
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    elapsed = time.perf_counter() - start
    *lines, peak = process.stdout.splitlines()
    return Life(elapsed, float(peak)), [json.loads(line) for line in lines]


def median_life(work: str, folder: Path, runs: int) -> tuple[Life, list[dict[str, object]]]:
    """Median seconds and largest memory of several runs, and what the last run printed."""
    lives = [life(work, folder) for _ in range(runs)]
    seconds = statistics.median(cost.seconds for cost, _ in lives)
    return Life(seconds, max(cost.megabytes for cost, _ in lives)), lives[-1][1]


def measure(folder: Path, size: Size) -> tuple[dict[str, Life], bool]:
    """Measure all costs, and check that the answers are right."""
    from pipeline.runs.run import Run
    from pipeline.storage.manifest import compact

    write_inputs(folder, size)
    costs = {}
    costs["plan"], plans = median_life("plan", folder, size.runs)
    cells = size.prompts * size.seeds
    right = [arm["cells"] for arms in plans for arm in arms] == [cells] * len(CARDS)  # type: ignore[index]
    receipts = write_run(folder, size)
    costs["status"], state = median_life("status", folder, size.runs)
    compact(Run.open(folder / "run").images)
    costs["status_with_manifest"], again = median_life("status", folder, size.runs)
    return costs, right and state == again and state[0]["shards_done"] == receipts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report the cost that is nearest to its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--prompts", type=int, default=22_512)
    parser.add_argument("--seeds", type=int, default=1_024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", choices=("plan", "status"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        child(chosen.child, chosen.folder)
        return 0
    size = Size(chosen.prompts, chosen.seeds, chosen.runs)
    with tempfile.TemporaryDirectory() as folder:
        costs, right = measure(Path(folder), size)
    limits = {f"{name}_s": (cost.seconds, SECONDS) for name, cost in costs.items()}
    limits["plan_mb"] = (costs["plan"].megabytes, MEGABYTES)
    name = min(limits, key=lambda key: limits[key][1] / limits[key][0])
    ours, limit = limits[name]
    return report_ratio(
        "plan",
        ours,
        limit,
        unit="s" if name.endswith("_s") else "MB",
        goal=1.0,
        runs=size.runs,
        right=right,
        more={
            "figure": name,
            "right": right,
            "cells": 2 * size.prompts * size.seeds,
            **{key: value for key, (value, _) in limits.items()},
            **{f"{key}_mb": cost.megabytes for key, cost in costs.items()},
        },
    )


if __name__ == "__main__":
    sys.exit(main())
