"""Time distances at full size: seeds with 10,000 images of 2,048 numbers each, read from shards.

A few seeds are simulated and measured by the code of `goldenseed measure`, a part at a time, within
the memory that the recipe states. The time of 1,024 seeds and two prompt sets is extrapolated: it
is proportional to the number of seeds, once the reference is prepared. `ours` is the processor time
in hours, `peer` is a limit that was set beforehand, and so the goal is 1.

Run: `python -m benchmarks.distances`
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from analysis.per_seed import measure
from benchmarks.harness import peak_megabytes, report_ratio
from benchmarks.simulated_run import DISTANCES, EMBEDDING, Grid, simulate

SEEDS, SETS = 1024, 2
HOURS = 30.0
SET_SHARE = 0.36
"""A set has 40 % of the prompts; a little less is sure to be there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure some seeds, and report the hours of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--memory-gb", type=float, default=3.5)
    parser.add_argument("--metrics", nargs="+", choices=DISTANCES, default=DISTANCES)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args(arguments)
    grid = Grid(chosen.seeds, round(chosen.images / SET_SHARE))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        run = simulate(
            Path(folder),
            grid,
            [EMBEDDING],
            DISTANCES,
            fields={
                "analysis_memory_gb": chosen.memory_gb,
                "metric_prompts": dict.fromkeys(DISTANCES, chosen.images),
            },
        )
        start, processor = time.perf_counter(), time.process_time()
        table = measure(run, chosen.metrics, sets=[1])
        seconds, core_seconds = time.perf_counter() - start, time.process_time() - processor
    megabytes = peak_megabytes()
    right = (
        len(table) == len(chosen.metrics) * chosen.seeds and megabytes <= 1100 * chosen.memory_gb
    )
    return report_ratio(
        "distances",
        core_seconds / chosen.seeds * SEEDS * SETS / 3600,
        HOURS,
        unit=f"core-hours, extrapolated from {chosen.seeds} seeds",
        goal=1.0,
        runs=1,
        right=right,
        more={
            "right": right,
            "metrics": list(chosen.metrics),
            "images": chosen.images,
            "seconds": seconds,
            "core_seconds_per_seed": core_seconds / chosen.seeds,
            "megabytes": megabytes,
            "memory_gb": chosen.memory_gb,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
