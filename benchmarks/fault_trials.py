"""The copy of a run that `benchmarks.faults` breaks, and the commands that are given to it."""

import hashlib
import importlib
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goldenseed.cli import main as goldenseed
from pipeline.batch import Batch, Drawn

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 8}
seeds: {start: 0, count: 4}
tile: {seeds: 2, prompts: 4}
batch_size: 8
sampling: {num_inference_steps: 2}
features: [appearance]
"""
LOADED = (
    "goldenseed.steps.begin",
    "goldenseed.steps.repair",
    "goldenseed.steps.steps",
    "goldenseed.steps.verify",
    "goldenseed.output.statuses",
    "goldenseed.output.verification",
    "diffusers",
)
"""What the commands load. It is loaded once and not used before a process is forked: the threads
that libraries start when they are used do not survive a fork."""
COLUMNS = ("tries", "found", "mended", "lost", "doubled", "changed", "defects")
"""What is counted in the tries of a kind."""
DEFECT = 1
"""Exit code of a traceback."""

Rows = dict[tuple[str, str, int], str]
"""(kind of shard, prompt, seed) -> hash of what the row holds."""


class Pattern:
    """Stands for a model: an image is a pattern that depends on its prompt and seed."""

    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch."""
        count = len(batch.seeds)
        images = [
            hashlib.sha256(f"{prompt.id} {seed}".encode()).digest() * (64 * 64 * 3 // 32)
            for prompt, seed in zip(batch.prompts, batch.seeds, strict=True)
        ]
        pixels = np.frombuffer(b"".join(images), np.uint8).reshape(count, 64, 64, 3)
        true, zero = np.ones(count, np.bool_), np.zeros(count, np.int32)
        return Drawn(pixels, true, ~true, zero)

    def truncated_tokens(self, text: str) -> int:
        """Nothing is cut."""
        return 0


@dataclass
class Trial:
    """The copy of a run that one try breaks.

    Attributes:
        root: The run folder.
        recipe: The recipe file.
        chance: The try's own random numbers.
        seconds: How long a quiet run takes.
        calls: How many calls of the file system a quiet run makes.
    """

    root: Path
    recipe: Path
    chance: random.Random
    seconds: float
    calls: int

    def begin(self, before: Callable[[], object] = lambda: None) -> int:
        """Begin `run` in a process of its own; give its process id."""
        local = ("--executor", "local")
        return begin(["run", str(self.recipe), "--out", str(self.root), *local], before)

    def run(self, before: Callable[[], object] = lambda: None) -> int:
        """Give the command `run`; give its exit code."""
        return end(self.begin(before))

    def repair(self) -> int:
        """Give the command `repair`; give its exit code."""
        return end(begin(["repair", str(self.root), "--executor", "local"]))

    def verify(self, *options: str) -> int:
        """Give the command `verify`; give its exit code."""
        return end(begin(["verify", str(self.root), *options]))


def begin(words: Sequence[str], before: Callable[[], object] = lambda: None) -> int:
    """Give a goldenseed command in a process of its own; give its process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = DEFECT
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.argv = ["goldenseed", *words]
        before()
        goldenseed()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os._exit(code)


def end(pid: int) -> int:
    """Wait for a process; give its exit code, negative after a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def quiet_run(folder: Path, text: str = RECIPE) -> tuple[Path, float]:
    """Load all modules, and make the run that nothing disturbs; give its folder and its seconds."""
    recipe = folder / "faults.yaml"
    recipe.write_text(text, encoding="utf-8")
    for module in LOADED:
        importlib.import_module(module)
    root, start = folder / "quiet", time.monotonic()
    trial = Trial(root, recipe, random.Random(0), 0.0, 0)
    if trial.run() or trial.verify():
        raise SystemExit("a run that nothing disturbs does not end well")
    return root, time.monotonic() - start


def read_rows(root: Path) -> tuple[Rows, int]:
    """Read all shards of a run as another program does, from all files of their folders.

    Returns:
        The rows, and how many of them are there twice.
    """
    rows: Rows = {}
    doubled = 0
    for kind in ("images", "features"):
        for path in sorted((root / kind).rglob("*.parquet")):
            for row in _read(path).to_pylist():
                key = (f"{kind} {row.get('feature', '')}", row["prompt_id"], row["seed"])
                doubled += key in rows
                rows[key] = hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest()
    return rows, doubled


def rows_if_readable(root: Path) -> tuple[Rows, int]:
    """Read all shards as `read_rows`; none, if a file cannot be read by another program."""
    try:
        return read_rows(root)
    except (OSError, ValueError):
        return {}, 0


def _read(path: Path) -> pa.Table:
    return pq.read_table(path, page_checksum_verification=True, use_threads=False, pre_buffer=False)


def table(sums: Mapping[str, Mapping[str, int]]) -> str:
    """Write the sums as a table in Markdown."""
    lines = [f"| kind | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [
        f"| {kind} | {' | '.join(str(row[column]) for column in COLUMNS)} |"
        for kind, row in sums.items()
    ]
    return "\n".join(lines)
