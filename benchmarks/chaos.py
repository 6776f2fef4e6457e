"""Let hundreds of random faults befall one run, and compare what is left with a quiet run.

A run of 200 shards is drawn and measured in many rounds. In each round a fault disturbs the
command, another damages files that are finished, and now and then `repair` is given:

- `kill`: the process dies before a random call of the file system;
- `kill -9`: it is killed after a random time;
- `failing call`, `full disk`, `read-only disk`: one call fails, or all calls from one on;
- `two drivers`: the command is given twice at the same time, and both are killed;
- `clock set back`: the command believes that it is two days earlier, and is killed;
- `model fails`: the model raises an error at a random batch;
- `flipped byte`, `truncated`, `deleted`, `swapped`: finished files are damaged.

In the end come `repair` and the same command, undisturbed. Then each row of images and features
must be there once, and equal that of the quiet run, and `verify` must find nothing. Images are a
pattern, as in `benchmarks.faults`.

Run: `python -m benchmarks.chaos` (some minutes; `--faults N`, `--seed N` for other faults)
"""

import argparse
import errno
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks import harness
from benchmarks.fault_trials import (
    DEFECT,
    Pattern,
    Trial,
    end,
    quiet_run,
    read_rows,
    rows_if_readable,
)
from benchmarks.faults import FINISHED, can_be_damaged
from benchmarks.system_calls import ERRORS, Act, failing, intercept
from pipeline.batch import Batch, Drawn
from pipeline.drawing.stage import loading

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 40}
seeds: {start: 0, count: 20}
tile: {seeds: 2, prompts: 2}
batch_size: 4
sampling: {num_inference_steps: 2}
features: [appearance]
"""
SHARDS = 200
FEW_CALLS = 120
"""A fault strikes at one of so many first calls, so that each command makes a few shards only."""
REPAIR_EVERY = 20
"""Rounds between two repairs."""
TWO_DAYS = 2 * 86400.0

Disturb = Callable[[Trial], int]
"""Gives a command and disturbs it; gives its exit code."""


def _at_a_call(trial: Trial, act: Callable[[int], Act]) -> int:
    number = trial.chance.randrange(FEW_CALLS)
    return trial.run(lambda: intercept(trial.root, act(number)))


def _dying(number: int) -> Act:
    def act(index: int, _: str) -> None:
        if index == number:
            os._exit(137)

    return act


def kill(trial: Trial) -> int:
    """Kill the command before a call of the file system."""
    return _at_a_call(trial, _dying)


def kill_minus_nine(trial: Trial) -> int:
    """Kill the command after a random time."""
    pid = trial.begin()
    time.sleep(trial.chance.uniform(0.0, trial.seconds / 4))
    os.kill(pid, signal.SIGKILL)
    return end(pid)


def failing_call(trial: Trial) -> int:
    """Let one call fail, and end the command a few calls later."""
    code = getattr(errno, trial.chance.choice(ERRORS))
    later = trial.chance.randrange(1, FEW_CALLS)

    def act(number: int) -> Act:
        once, death = failing(number, code, lasting=False), _dying(number + later)
        return lambda index, path: (once(index, path), death(index, path))[0]

    return _at_a_call(trial, act)


def full_disk(trial: Trial) -> int:
    """Let all calls fail from one on: there is no room."""
    return _at_a_call(trial, lambda number: failing(number, errno.ENOSPC, lasting=True))


def read_only_disk(trial: Trial) -> int:
    """Let all calls fail from one on: the disk was mounted again, read-only."""
    return _at_a_call(trial, lambda number: failing(number, errno.EROFS, lasting=True))


def two_drivers(trial: Trial) -> int:
    """Give the command twice at the same time, and kill one, then the other."""
    pids = [trial.begin(), trial.begin()]
    for pid in pids:
        time.sleep(trial.chance.uniform(0.0, trial.seconds / 4))
        os.kill(pid, signal.SIGKILL)
    return max(end(pid) for pid in pids)


def clock_set_back(trial: Trial) -> int:
    """Give the command two days earlier, by its own clock, and kill it."""
    act, clock, clock_ns = _dying(trial.chance.randrange(FEW_CALLS)), time.time, time.time_ns

    def before() -> None:
        time.time = lambda: clock() - TWO_DAYS
        time.time_ns = lambda: clock_ns() - int(TWO_DAYS * 1e9)
        intercept(trial.root, act)

    return trial.run(before)


class FailingPattern(Pattern):
    """Raises at one batch, and ends the process a few batches later."""

    def __init__(self, number: int) -> None:
        self.left = number

    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch, or fail."""
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("the device failed")
        if self.left < -3:
            os._exit(137)
        return super().generate(batch)


def model_fails(trial: Trial) -> int:
    """Let the model raise an error at a batch."""
    model = FailingPattern(trial.chance.randrange(1, 8))
    return trial.run(lambda: setattr(loading, "load_model", lambda _: model))


DISTURBED: Mapping[str, Disturb] = {
    "kill": kill,
    "kill -9": kill_minus_nine,
    "failing call": failing_call,
    "full disk": full_disk,
    "read-only disk": read_only_disk,
    "two drivers": two_drivers,
    "clock set back": clock_set_back,
    "model fails": model_fails,
}


def round_of_faults(trial: Trial, counts: Counter[str]) -> int:
    """Disturb a command, then damage a finished file; give the exit code of the command."""
    kind = trial.chance.choice([*DISTURBED])
    counts[kind] += 1
    code = DISTURBED[kind](trial)
    kind = trial.chance.choice([*FINISHED])
    if can_be_damaged(trial):
        counts[kind] += 1
        FINISHED[kind](trial)
    return code


def measure(
    faults: int, seed: int, *, recipe: str = RECIPE, before: Callable[[], object] = lambda: None
) -> dict[str, object]:
    """Let faults befall a run.

    Args:
        faults: How many, at least.
        seed: Of the faults' random numbers.
        recipe: Of the run.
        before: Called once the quiet run is there, for example to break goldenseed itself.

    Returns:
        `rows`, `equal` (rows that are there once and as in the quiet run), `lost`, `doubled`,
        `changed`, `disturbed` (commands that ended early), `defects` (commands that ended with a
        traceback), `verified`, and the faults by kind.
    """
    loading.load_model = lambda _: Pattern()  # type: ignore[assignment,return-value]
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet, seconds = quiet_run(folder, recipe)
        wanted, _ = read_rows(quiet)
        shutil.rmtree(quiet)
        before()
        trial = Trial(folder / "run", folder / "faults.yaml", random.Random(seed), seconds, 0)
        codes: list[int] = []
        while counts.total() < faults:
            codes.append(round_of_faults(trial, counts))
            if len(codes) % REPAIR_EVERY == 0:
                codes.append(trial.repair())
        disturbed = sum(code != 0 for code in codes)
        codes += [trial.repair(), trial.run(), trial.verify()]
        rows, doubled = rows_if_readable(trial.root)
    equal = sum(rows.get(key) == value for key, value in wanted.items())
    return {
        "rows": len(wanted), "equal": equal, "lost": len(wanted.keys() - rows.keys()),
        "doubled": doubled, "changed": sum(rows[k] != v for k, v in wanted.items() if k in rows),
        "disturbed": disturbed, "defects": codes.count(DEFECT), "verified": codes[-2:] == [0, 0],
        "faults": dict(counts),
    }  # fmt: skip


def main() -> int:
    """Run the benchmark; 0 if nothing is lost, doubled or changed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=SHARDS, help="number of faults, at least")
    parser.add_argument("--seed", type=int, default=0, help="of the faults' random numbers")
    options = parser.parse_args()
    start = time.monotonic()
    result = measure(options.faults, options.seed)
    right = bool(result["verified"]) and not (result["doubled"] or result["defects"])
    equal, rows = float(str(result["equal"])), float(str(result["rows"]))
    return harness.report(
        benchmark="chaos", ours=equal, peer=rows, unit="rows equal to those of a quiet run",
        ratio=equal / rows, goal=1.0, runs=1, ok=right and equal == rows,
        more={"shards": SHARDS, "seed": options.seed, **result,
              "seconds": round(time.monotonic() - start, 1)},
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
