"""Break runs on purpose, give the same command again, and count what is lost or doubled.

Each try works on a copy of a run, in processes of its own that call the commands `run` and
`verify`. Its fault is of one of these kinds:

- `kill at a step`: the process ends at a step of a commit (`pipeline.failpoints`);
- `kill -9`: the process is killed after a random time;
- `failing call`: one call of the file system fails, with a random error;
- `full disk`: from a random call on, each call that writes fails with ENOSPC;
- `flipped byte`, `truncated`, `deleted`, `swapped`: a finished shard or receipt is damaged;
- `two drivers`: the command is given twice at the same time.

Then `verify --repair`, the same `run` and `verify` follow. `found` counts the tries
whose fault was noticed: a command that was interrupted did not end with 0, or `verify` named the
damage. (Two drivers are no fault; a call that fails may be one that a run can do without; a flipped
bit of a receipt may be in its provenance, on which no result depends.) `mended` counts the tries
after which `verify` finds nothing and each row equals that of a quiet run.
`lost` and `doubled` count cells that are missing, or are there twice, in the files as any other
program reads them. `defects` counts commands that ended with a traceback.

Images are a pattern that depends on prompt and seed; a model would only take longer.

Run: `python -m benchmarks.faults` (a few minutes; `--tries N` for N tries of each kind)
"""

import argparse
import errno
import json
import os
import platform
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.fault_trials import (
    COLUMNS,
    DEFECT,
    Pattern,
    Rows,
    Trial,
    end,
    quiet_run,
    read_rows,
    rows_if_readable,
    table,
)
from benchmarks.system_calls import ERRORS, failing, intercept
from pipeline.drawing.stage import loading
from pipeline.failpoints import FAILPOINTS

Break = Callable[[Trial], bool]
"""Breaks a run; says whether the fault was noticed, as far as this is known before `verify`."""


def kill_at_a_step(trial: Trial) -> bool:
    """Kill the command at a step of a commit, at a random passage of that step."""
    point = trial.chance.choice(FAILPOINTS)
    skipped = trial.chance.randrange(6)

    def before() -> None:
        real, passed = os._exit, [0]

        def exit_later(code: int) -> None:
            passed[0] += 1
            if code != 137 or passed[0] > skipped:
                real(code)

        os._exit = exit_later  # type: ignore[assignment]
        os.environ["GOLDENSEED_FAILPOINT"] = point

    return trial.run(before) != 0


def kill_minus_nine(trial: Trial) -> bool:
    """Kill the command after a random time."""
    pid = trial.begin()
    time.sleep(trial.chance.uniform(0.0, trial.seconds))
    os.kill(pid, signal.SIGKILL)
    return end(pid) != 0


def failing_call(trial: Trial) -> bool:
    """Let one call of the file system fail."""
    return _failing(trial, getattr(errno, trial.chance.choice(ERRORS)), lasting=False)


def full_disk(trial: Trial) -> bool:
    """Let each call that writes fail from a random call on."""
    return _failing(trial, errno.ENOSPC, lasting=True)


def _failing(trial: Trial, code: int, *, lasting: bool) -> bool:
    act = failing(trial.chance.randrange(trial.calls), code, lasting=lasting)
    return trial.run(lambda: intercept(trial.root, act)) != 0


def flipped_byte(trial: Trial) -> bool:
    """Change one bit of a finished file."""
    path = _victim(trial)
    data = bytearray(path.read_bytes())
    data[trial.chance.randrange(len(data))] ^= 1 << trial.chance.randrange(8)
    path.write_bytes(bytes(data))
    return False


def truncated(trial: Trial) -> bool:
    """Cut a finished file, at times to nothing."""
    path = _victim(trial)
    size = path.stat().st_size
    os.truncate(path, trial.chance.choice([0, size // 2, size - 1, trial.chance.randrange(size)]))
    return False


def deleted(trial: Trial) -> bool:
    """Remove a finished data file."""
    _victim(trial, "*.parquet").unlink()
    return False


def swapped(trial: Trial) -> bool:
    """Let two finished files of one kind change places."""
    kinds: dict[tuple[Path, str], list[Path]] = {}
    for path in _files(trial, "*.*"):
        kinds.setdefault((path.parent, path.suffix), []).append(path)
    pairs = [files for files in kinds.values() if len(files) > 1]
    first, second = trial.chance.sample(trial.chance.choice(pairs), 2)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    return False


def two_drivers(trial: Trial) -> bool:
    """Give the command twice at the same time; neither may fail."""
    pids = [trial.begin()]
    time.sleep(trial.chance.uniform(0.0, trial.seconds / 2))
    pids.append(trial.begin())
    return any([end(pid) != 0 for pid in pids])


def can_be_damaged(trial: Trial) -> bool:
    """Whether there are two data files in one folder, so that each kind of damage is possible."""
    folders = Counter(path.parent for path in _files(trial, "*.parquet"))
    return max(folders.values(), default=0) > 1


def _victim(trial: Trial, pattern: str = "*.*") -> Path:
    return trial.chance.choice(_files(trial, pattern))


def _files(trial: Trial, pattern: str) -> list[Path]:
    """The shards and receipts of a run that are not empty yet."""
    folders = ("images", "features", "receipts")
    found = [path for name in folders for path in (trial.root / name).rglob(pattern)]
    kept = (path for path in found if path.suffix in (".parquet", ".json"))
    return sorted(path for path in kept if path.stat().st_size)


UNFINISHED: Mapping[str, Break] = {
    "kill at a step": kill_at_a_step,
    "kill -9": kill_minus_nine,
    "failing call": failing_call,
    "full disk": full_disk,
    "two drivers": two_drivers,
}
"""Kinds that disturb a run while it is made."""
FINISHED: Mapping[str, Break] = {
    "flipped byte": flipped_byte,
    "truncated": truncated,
    "deleted": deleted,
    "swapped": swapped,
}
"""Kinds that damage a finished run."""
KINDS = {**UNFINISHED, **FINISHED}


def attempt(kind: str, trial: Trial, quiet: Path, wanted: Rows) -> dict[str, int]:
    """Make one try: break a run, give the same command again, and compare."""
    if kind in FINISHED:
        shutil.copytree(quiet, trial.root)
    found = KINDS[kind](trial)
    codes = [trial.verify("--repair")] if (trial.root / "recipe.json").is_file() else []
    if kind in FINISHED:
        found = codes != [0]
    codes += [trial.run(), trial.verify()]
    rows, doubled = rows_if_readable(trial.root)
    lost = len(wanted.keys() - rows.keys())
    changed = sum(rows[key] != value for key, value in wanted.items() if key in rows)
    doubled += len(rows.keys() - wanted.keys())
    mended = codes[-2:] == [0, 0] and not (lost or doubled or changed)
    return {
        "tries": 1, "found": int(found), "mended": int(mended), "lost": lost, "doubled": doubled,
        "changed": changed, "defects": codes.count(DEFECT),
    }  # fmt: skip


def measure(
    kinds: Sequence[str], tries: int, *, before: Callable[[], object] = lambda: None
) -> dict[str, dict[str, int]]:
    """Break runs in each way.

    Args:
        kinds: Names in `KINDS`.
        tries: Tries of each kind.
        before: Called once the quiet run is there, for example to break goldenseed itself.

    Returns:
        Kind -> the sums of `COLUMNS`.
    """
    loading.load_model = lambda _: Pattern()  # type: ignore[assignment,return-value]
    torch.set_num_threads(1)
    sums: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet, seconds = quiet_run(folder)
        wanted, _ = read_rows(quiet)
        calls = count_calls(folder)
        before()
        for kind in kinds:
            total: Counter[str] = Counter()
            for number in range(tries):
                chance = random.Random(f"0 {kind} {number}")
                trial = Trial(folder / "try", folder / "faults.yaml", chance, seconds, calls)
                total.update(attempt(kind, trial, quiet, wanted))
                shutil.rmtree(trial.root, ignore_errors=True)
            sums[kind] = {column: total[column] for column in COLUMNS}
            print(json.dumps({"kind": kind, **sums[kind]}), flush=True)
    return sums


def count_calls(folder: Path) -> int:
    """Count the calls of the file system that a run makes."""
    trial = Trial(folder / "counted", folder / "faults.yaml", random.Random(0), 0.0, 0)
    count = os.open(folder / "calls", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def act(*_: object) -> None:
        os.write(count, b"x")

    trial.run(lambda: intercept(trial.root, act))
    return os.fstat(count).st_size


def main() -> int:
    """Run the benchmark; 0 if nothing is lost, doubled or changed, and all is mended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=8, help="tries of each kind")
    parser.add_argument("--kinds", nargs="*", choices=[*KINDS], default=[*KINDS])
    options = parser.parse_args()
    sums = measure(options.kinds, options.tries)
    print(f"{platform.platform()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(table(sums))
    bad = [row for row in sums.values() if row["mended"] < row["tries"] or row["defects"]]
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
