"""Time the seed classifier's input: the share of time in which the network does not wait.

Lossless images of 64 x 64 pixels are streamed from image shards, decoded, checked against their
hashes and shuffled while the default network is trained with one thread. `ours` is the share of
the epoch in which the network does not wait for a batch. The other side, timed in turn, is the same
without reading ahead: each batch is decoded before it is used. The first batch is not counted,
because it always waits for the first shards.

Run: `python -m benchmarks.classifier`
"""

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from analysis.studies.distinguishability.course import Course
from analysis.studies.distinguishability.stream import ImageBatch, Stream
from analysis.studies.distinguishability.training import Classifier
from benchmarks.harness import report
from pipeline.cards.card import find_card, resolve
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from pipeline.storage.codec import encode_image
from pipeline.storage.schema import IMAGES

GOAL = 0.9


@dataclass(frozen=True)
class Timed(Stream):
    """A stream that records how long the network waits for each batch.

    Attributes:
        reads_ahead: Whether a thread decodes while the network is trained.
        waits: Seconds of waiting for each batch.
    """

    reads_ahead: bool = True
    waits: list[float] = field(default_factory=list)

    def batches(self, size: int, rng: np.random.Generator | None = None) -> Iterator[ImageBatch]:
        """Yield the batches, and record each wait."""
        ahead = super().batches(size, rng)
        items = ahead if self.reads_ahead else self._batches(size, rng)
        while True:
            start = time.perf_counter()
            batch = next(items, None)
            if batch is None:
                return
            self.waits.append(time.perf_counter() - start)
            yield batch


def drawn_run(folder: Path, seeds: int, prompts: int) -> Run:
    """Commit a run of random images without a model."""
    recipe = Recipe(
        name="classifier",
        card="seedling-mini",
        prompts={"source": "seedling"},
        seeds={"count": seeds},
        tile={"seeds": 16, "prompts": 16},
        ranking=None,
    )
    run = Run.start(folder, recipe.run_configs(resolve(find_card(recipe.card)))[""], recipe)
    run.grow(range(seeds), [Prompt(f"number {i}", group=f"group {i % 20}") for i in range(prompts)])
    rng = np.random.default_rng(0)
    for tile in run.tiles():
        rows = [_row(run.prompts[prompt], seed, rng) for prompt, seed in tile.cells]
        table = pa.Table.from_pylist(rows, schema=IMAGES.arrow())
        run.images.commit(tile.id, tile.block, table, run_id=run.run_id, provenance={})
    return run


def _row(prompt: Prompt, seed: int, rng: np.random.Generator) -> dict[str, object]:
    small = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    pixels = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
    return {
        "prompt_id": prompt.id,
        "seed": seed,
        "group": prompt.group,
        "image": {"bytes": encode_image(pixels, "webp"), "path": None},
        "image_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "status": "ok",
    }


def busy(run: Run, *, reads_ahead: bool) -> float:
    """Share of an epoch, after its first batch, in which the network does not wait."""
    prompts, seeds = tuple(run.prompts.values()), tuple(run.seeds)
    stream = Timed(run, prompts[5:], seeds, 2**21, reads_ahead)
    classifier = Classifier(
        Course(epochs=1, checkpoint_every=10**9), stream, Stream(run, prompts[:5], seeds), (0,)
    )
    start = time.perf_counter()
    classifier.fit(stop_after=-(-stream.cells // 128) - 1)
    total = time.perf_counter() - start - stream.waits[0]
    return 1 - sum(stream.waits[1:]) / total


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the result; 0 if the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    shares: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        run = drawn_run(Path(folder), options.seeds, options.prompts)
        for pair in range(options.pairs):
            for reads_ahead in (True, False) if pair % 2 == 0 else (False, True):
                shares[reads_ahead].append(busy(run, reads_ahead=reads_ahead))
    ours, peer = statistics.median(shares[True]), statistics.median(shares[False])
    return report(
        benchmark="classifier",
        ours=ours,
        peer=peer,
        unit="share of the time in which the network does not wait",
        ratio=ours / peer,
        goal=GOAL,
        runs=options.pairs,
        ok=ours >= GOAL,
        more={"pictures": options.seeds * options.prompts},
    )


if __name__ == "__main__":
    sys.exit(main())
