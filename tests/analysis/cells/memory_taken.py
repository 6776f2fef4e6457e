"""Print the memory that analyses take and count: `python -m tests.analysis.cells.memory_taken`."""

import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analysis.cells.cells import read_each_set
from analysis.cells.memory import COPIES
from analysis.cells.seed_parts import column_bytes, sample_in_parts
from analysis.metrics import load_metric
from analysis.per_seed.parts import MeasureStage, Wanted, plan_parts
from analysis.ranking.rank import permuted_draws
from benchmarks.simulated_run import DISTANCES, EMBEDDING, Distances, Embedding, Grid, simulate
from pipeline.runs.run import Run

MB = 10**6


def taken(work: Callable[[], object]) -> float:
    """Largest resident memory during some work, beyond that before it, in MB."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak until now
    before = peak()
    work()
    return (peak() - before) / MB


def peak() -> int:
    """Largest resident memory since the last reset, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def measure_part(run: Run) -> dict[str, float]:
    """Measure both distances of all seeds, which are one part."""
    metrics = {name: load_metric(name) for name in DISTANCES}
    wanted = [
        Wanted(name, number, tuple(p.id for p in run.prompts.values() if p.set == number))
        for name in DISTANCES
        for number in (1, 2)
    ]
    (part,), counted = plan_parts(run, metrics, wanted)
    stage = MeasureStage(run.root, run.recipe, wanted)
    return {"taken": taken(lambda: stage.run(part)), "counted": counted / MB}


def draw_permuted(run: Run) -> dict[str, float]:
    """Read both sets and permute owners once, as a ranking by a distance does."""
    metric = load_metric(DISTANCES[0])
    metric.values = lambda arrays: arrays[0][:, 0, 0]  # type: ignore[method-assign]

    def work() -> None:
        samples = [
            cells.sample(metric.needs) for cells in read_each_set(run, metric.needs, sets=(1, 2))
        ]
        prepared = [metric.prepare(sample.columns) for sample in samples]
        values = [metric.values(arrays) for arrays in prepared]
        permuted_draws(metric, prepared, samples, values, 1, np.random.default_rng(0))

    prompts = sum(prompt.set in (1, 2) for prompt in run.prompts.values())
    columns = len(run.seeds) * prompts * column_bytes(run, metric.needs)
    return {"taken": taken(work), "counted": COPIES * columns / MB}


def keep_all(run: Run) -> dict[str, float]:
    """Keep all parts of a reader that counts one."""
    needs = load_metric(DISTANCES[0]).needs
    limit = run.recipe.analysis_memory_gb
    assert limit is not None
    return {
        "taken": taken(lambda: list(sample_in_parts(run, needs, sets=(1, 2, 3)))),
        "counted": limit * 1000,
    }


def main() -> None:
    """Simulate a run of 4 seeds x 2,800 prompts x 512 numbers, 23 MB, and measure."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    Embedding.width, Distances.images = 512, 2000
    grid = Grid(seeds=4, prompts=2800)
    with tempfile.TemporaryDirectory() as folder:
        run = simulate(Path(folder), grid, [EMBEDDING], DISTANCES)
        stated = run.recipe.model_copy(update={"analysis_memory_gb": 0.01})
        found = {
            "all parts kept": keep_all(Run.open(run.root, stated)),
            "permuted draws": draw_permuted(run),
            "a part of the seeds": measure_part(run),
        }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
