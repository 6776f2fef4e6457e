"""Disturb the k-th call of the file system of a whole `run`, for k in steps; the run recovers.

In a process of its own, since it forks. Run: `python -m tests.goldenseed.every_call STEP`
"""

import errno
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from benchmarks.fault_trials import DEFECT, Pattern, Trial, quiet_run, read_rows
from benchmarks.faults import count_calls
from benchmarks.system_calls import Act, failing, intercept
from pipeline.drawing.stage import loading
from tests.goldenseed.run_machine import SMALL, dying

DISTURBANCES: Mapping[str, Callable[[int], Act]] = {
    "fails once": lambda number: failing(number, errno.EIO, lasting=False),
    "read-only from then on": lambda number: failing(number, errno.EROFS, lasting=True),
    "full from then on": lambda number: failing(number, errno.ENOSPC, lasting=True),
    "killed": dying,
}


def main() -> None:
    """Print how many disturbances there were, and those after which the run was not as it was."""
    loading.load_model = lambda _: Pattern()  # type: ignore[assignment,return-value]
    torch.set_num_threads(1)
    tried: Counter[str] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet, seconds = quiet_run(folder, SMALL)
        wanted = read_rows(quiet)
        trial = Trial(folder / "run", folder / "faults.yaml", random.Random(0), seconds, 0)
        for number in range(0, count_calls(folder), int(sys.argv[1])):
            for words, act in DISTURBANCES.items():
                before = partial(intercept, trial.root, act(number))
                codes = [trial.run(before), trial.run(), trial.verify()]
                tried[words] += codes[0] != 0
                if codes[1:] != [0, 0] or codes[0] == DEFECT or read_rows(trial.root) != wanted:
                    wrong.append(f"call {number}, {words}: exit codes {codes}")
                shutil.rmtree(trial.root)
    sys.stdout.write(json.dumps({"noticed": tried, "wrong": wrong}) + "\n")


if __name__ == "__main__":
    main()
