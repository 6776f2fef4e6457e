"""Time how busy a device is while images are encoded, hashed and committed beside it.

A model that sleeps stands in for a GPU: 13 ms for an image of 512 x 512 pixels, which is what
SDXL Turbo takes at 77 images/s. Each image costs to encode what a photograph of this size does, and
all are kept. An actor on a GPU machine is meant to have four cores beside the device; a machine
with fewer cores slows the device down in proportion.

The stage runs with and without threads beside the device, in turn. The share of the time in which
the device is busy is told for both: that of the second is what a single thread reaches.

    python -m benchmarks.overlap
"""

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.harness import report
from goldenseed.steps.begin import start_runs
from pipeline.batch import Batch, Drawn
from pipeline.drawing.stage import GenerateStage, generate_stage
from pipeline.drawing.tile import Drawer
from pipeline.executors.base import make_executor
from pipeline.runs.run import Run
from pipeline.settings.choices import PromptChoice, SeedChoice
from pipeline.settings.recipe import Sampling, load_recipe
from pipeline.stage import Uint8Images

SIZE = 512
SECONDS_PER_IMAGE = 0.013
CORES = 4
"""Cores beside the device for which the goal is meant."""
GOAL = 0.95
PAIRS = 5
TILES = 4


def photographs(count: int) -> Uint8Images:
    """Make `count` images of shape (SIZE, SIZE, 3) that cost to encode what photographs cost.

    Returns:
        (count, SIZE, SIZE, 3) uint8: patches of 8 pixels with a little noise. Losslessly encoded,
        one has about 370 kB, as a photograph has.
    """
    rng = np.random.default_rng(0)
    patches = rng.normal(128, 50, (count, SIZE // 8, SIZE // 8, 3)).repeat(8, 1).repeat(8, 2)
    return np.clip(patches + rng.normal(0, 2, patches.shape), 0, 255).astype(np.uint8)


@dataclass
class SleepingModel:
    """Sleeps as long as a device would compute, and counts the seconds."""

    seconds_per_image: float
    images: Uint8Images
    busy: float = 0.0

    def generate(self, batch: Batch) -> Drawn:
        """Sleep, and give images that are ready."""
        start = time.perf_counter()
        time.sleep(self.seconds_per_image * len(batch.seeds))
        none = np.zeros(len(batch.seeds), bool)
        self.busy += time.perf_counter() - start
        return Drawn(self.images[: len(none)], ~none, none, none.astype(np.int32))


@dataclass
class SleepingStage(GenerateStage):
    """The stage that draws, with a model that sleeps."""

    model: SleepingModel | None = field(default=None)

    def setup(self) -> None:
        """Set up as ever, then put the sleeping model into the model's place."""
        super().setup()
        if self._loaded is None or self.model is None:
            raise RuntimeError("nothing was loaded")
        drawer: Drawer = replace(self._loaded.drawer, model=self.model)  # type: ignore[arg-type]
        self._loaded = replace(self._loaded, drawer=drawer)
        self.ready = time.perf_counter()


def start_run(folder: Path, threads: int) -> Run:
    """Start a run of `TILES` tiles of 8 seeds and 8 prompts, with threads beside the device."""
    recipe = load_recipe("seedling-mini")
    changes = {
        "prompts": PromptChoice(source="seedling", count=8 * TILES),
        "seeds": SeedChoice(count=8),
        "tile": recipe.tile.model_copy(update={"seeds": 8, "prompts": 8}),
        "batch_size": 16,
        "cpus_per_worker": 1.0 + threads,
        "sampling": Sampling(height=SIZE, width=SIZE, num_inference_steps=1),
        "features": [],
        "metrics": [],
        "ranking": None,
    }
    return start_runs(recipe.model_copy(update=changes), folder)[0]


def busy_share(images: Uint8Images, seconds_per_image: float, threads: int) -> float:
    """Draw a run, and give the share of the time in which the device was busy."""
    with tempfile.TemporaryDirectory() as folder:
        run = start_run(Path(folder) / "run", threads)
        plain, model = generate_stage(run), SleepingModel(seconds_per_image, images)
        stage = SleepingStage(plain.run_root, plain.token, plain.resources, plain.recipe)
        stage.model = model
        outcomes = list(make_executor("local", 1).run(stage, run.missing()))
        wall = time.perf_counter() - stage.ready
    if any(outcome.error for outcome in outcomes):
        raise RuntimeError(outcomes[0].error)
    return model.busy / wall


def main() -> int:
    """Draw with and without threads beside the device, in turn, and report."""
    cores = len(os.sched_getaffinity(0))
    seconds = SECONDS_PER_IMAGE * max(1.0, CORES / cores)
    images = photographs(16)
    with_threads, without = [], []
    for _ in range(PAIRS):
        with_threads.append(busy_share(images, seconds, min(cores, CORES)))
        without.append(busy_share(images, seconds, 0))
    ours, peer = statistics.median(with_threads), statistics.median(without)
    return report(
        benchmark="overlap",
        ours=round(ours, 4),
        peer=round(peer, 4),
        unit="share of the time in which the device is busy",
        ratio=round(ours / peer, 3),
        goal=GOAL,
        runs=PAIRS,
        ok=ours >= GOAL,
        more={"seconds_per_image": seconds, "images": 64 * TILES, "device": "simulated"},
    )


if __name__ == "__main__":
    sys.exit(main())
