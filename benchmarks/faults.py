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
import io
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
from typing import Any

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
    table,
)
from pipeline.drawing.stage import loading
from pipeline.failpoints import FAILPOINTS

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "ESTALE", "EROFS", "EACCES", "EFBIG")

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
    number = trial.chance.randrange(trial.calls)
    return trial.run(lambda: fail_calls(trial.root, number, code, lasting=lasting)) != 0


def fail_calls(
    root: Path, number: int, code: int, *, lasting: bool, count: Path | None = None
) -> None:
    """Let calls of the file system on a run folder fail in this process.

    Args:
        root: The folder.
        number: Index of the call that fails; negative for none.
        code: The error.
        lasting: Whether the later calls fail, too.
        count: A file to which a letter is appended for each call, to count them.
    """
    passed = [0]

    def guarded(real: Callable[..., Any], path_of: Callable[..., str]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            path = path_of(*arguments, **options)
            if str(root) not in path:
                return real(*arguments, **options)
            index = passed[0]
            passed[0] += 1
            if count is not None:
                with raw_open(count, "a") as file:
                    file.write("x")
            if index == number or (lasting and index > number >= 0):
                raise OSError(code, os.strerror(code), path)
            return real(*arguments, **options)

        return call

    raw_open = io.open
    for name in ("link", "rename", "replace", "mkdir"):
        setattr(os, name, guarded(getattr(os, name), lambda *a, **_: str(a[0])))
    os.fsync = guarded(os.fsync, lambda handle: str(Path(f"/proc/self/fd/{handle}").readlink()))
    io.open = guarded(io.open, _written)  # type: ignore[assignment] # what Path.open calls


def _written(file: object, mode: str = "r", *_: object, **__: object) -> str:
    """The path of a file that is opened for writing; empty if it is only read."""
    return str(file) if set(mode) & set("wxa+") else ""


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


def _victim(trial: Trial, pattern: str = "*.*") -> Path:
    return trial.chance.choice(_files(trial, pattern))


def _files(trial: Trial, pattern: str) -> list[Path]:
    """The shards and receipts of a run."""
    folders = ("images", "features", "receipts")
    found = [path for name in folders for path in (trial.root / name).rglob(pattern)]
    return sorted(path for path in found if path.suffix in (".parquet", ".json"))


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
    try:
        rows, doubled = read_rows(trial.root)
    except (OSError, ValueError):  # what another program would see: a file that cannot be read
        rows, doubled = {}, 0
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
        calls = _count_calls(folder)
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


def _count_calls(folder: Path) -> int:
    """Count the calls of the file system that a run makes."""
    count = folder / "calls"
    trial = Trial(folder / "counted", folder / "faults.yaml", random.Random(0), 0.0, 0)
    trial.run(lambda: fail_calls(trial.root, -1, 0, lasting=False, count=count))
    return count.stat().st_size


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
