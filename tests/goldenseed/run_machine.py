"""A run under any order of commands and faults, as a Hypothesis state machine.

Commands are processes, forked here; so the machine runs in a process of its own. It holds the run
to these invariants:

- I1, I4: unless a file was damaged, `verify` finds nothing, and others see whole shards only;
- I2: no row is there twice;
- I3: in the end, each row is that of a quiet run;
- I5: after the faults, the run finishes;
- I6: `gc` then removes everything that the faults left.

Run: `python -m tests.goldenseed.run_machine EXAMPLES STEPS [broken]`
"""

import errno
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from benchmarks import fault_trials
from benchmarks.fault_trials import DEFECT, RECIPE, Pattern, Trial, begin, end
from benchmarks.faults import can_be_damaged, deleted, flipped_byte, swapped, truncated
from benchmarks.system_calls import Act, failing, intercept
from goldenseed.steps.verify import shards
from pipeline.drawing.stage import loading
from pipeline.storage.shards import ShardFolder
from tests.profiles import LONG

SMALL = RECIPE.replace("count: 4", "count: 2")
CALLS = 400
DAMAGE = (flipped_byte, truncated, deleted, swapped)


def dying(number: int) -> Act:
    def act(index: int, _: str) -> None:
        if index == number:
            os._exit(137)

    return act


class RunMachine(RuleBasedStateMachine):
    """Gives commands, and disturbs them, in any order."""

    base: Path
    wanted: dict[str, fault_trials.Rows]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.base))
        chance = random.Random(0)
        self.trial = Trial(self.folder / "run", self.base / "small.yaml", chance, 0.5, 0)
        self.damaged = False

    def began(self) -> bool:
        return any((self.trial.root / "receipts/images").glob("*/*.json"))

    def give(self, act: Act | None = None) -> int:
        """Give the command `run`, perhaps disturbed; a defect is never an answer."""
        root = self.trial.root
        code = self.trial.run((lambda: intercept(root, act)) if act else (lambda: None))
        assert code != DEFECT
        return code

    @rule()
    def resume(self) -> None:
        code = self.give()
        assert code == 0 or self.damaged
        assert self.damaged or self.trial.verify() == 0

    @rule(number=st.integers(0, CALLS))
    def kill(self, number: int) -> None:
        self.give(dying(number))

    @rule(
        number=st.integers(0, CALLS),
        code=st.sampled_from([errno.EIO, errno.ENOSPC, errno.EROFS]),
        lasting=st.booleans(),
    )
    def fail(self, number: int, code: int, lasting: bool) -> None:  # noqa: FBT001
        self.give(failing(number, code, lasting=lasting))

    @precondition(lambda self: self.began())
    @rule(kind=st.sampled_from(DAMAGE), chance=st.integers(0, 10**6))
    def damage(self, kind: object, chance: int) -> None:
        self.trial.chance = random.Random(chance)
        if can_be_damaged(self.trial):
            assert callable(kind)
            kind(self.trial)
            self.damaged = True

    @rule(pause=st.floats(0, 0.5))
    def second_driver(self, pause: float) -> None:
        pids = [self.trial.begin()]
        time.sleep(pause)
        pids.append(self.trial.begin())
        codes = [end(pid) for pid in pids]
        assert codes == [0, 0] or self.damaged
        assert DEFECT not in codes

    @rule()
    def extend(self) -> None:
        """From now on, the commands are of the larger recipe."""
        self.trial.recipe = self.base / "large.yaml"

    @precondition(lambda self: self.began())
    @rule()
    def repair(self) -> None:
        code = self.trial.repair()
        assert code == 0, code
        self.damaged = False
        assert self.trial.verify() == 0

    @invariant()
    def others_see_whole_rows_once(self) -> None:
        if self.damaged:
            return
        rows, doubled = fault_trials.read_rows(self.trial.root)
        assert doubled == 0
        assert rows.items() <= self.wanted["large"].items()

    def teardown(self) -> None:
        try:
            if self.began():
                assert self.trial.repair() == 0
            assert self.give() == 0
            assert self.trial.verify() == 0
            rows, doubled = fault_trials.read_rows(self.trial.root)
            size = self.trial.recipe.stem
            assert self.wanted[size].items() <= rows.items()
            assert rows.items() <= self.wanted["large"].items()
            assert doubled == 0
            assert end(begin(["gc", str(self.trial.root)])) == 0
            assert not [*(self.trial.root / "attempts").rglob("*.parquet")]
            assert not [*(self.trial.root / "superseded").rglob("*.*")]
            assert self.trial.verify() == 0
        finally:
            shutil.rmtree(self.folder)


def without_receipt_check() -> None:
    """Break goldenseed: no data file is compared with its receipt any more."""
    ShardFolder.intact = lambda self, receipt: True  # type: ignore[method-assign]
    shards._check = lambda known, folder, key: []


def main() -> None:
    loading.load_model = lambda _: Pattern()  # type: ignore[assignment,return-value]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        RunMachine.base, RunMachine.wanted = Path(name), {}
        for size, text in (("small", SMALL), ("large", RECIPE)):
            quiet, _ = fault_trials.quiet_run(Path(name), text)
            RunMachine.wanted[size], _ = fault_trials.read_rows(quiet)
            shutil.rmtree(quiet)
            (Path(name) / "faults.yaml").rename(Path(name) / f"{size}.yaml")
        phases = [Phase.generate, Phase.shrink]
        if "broken" in sys.argv:
            without_receipt_check()
            phases.remove(Phase.shrink)  # that it fails is enough
        run_state_machine_as_test(
            RunMachine,
            settings=settings(
                max_examples=int(sys.argv[1]), stateful_step_count=int(sys.argv[2]), deadline=None,
                derandomize=not LONG, print_blob=True, phases=phases, database=None,
                suppress_health_check=[*HealthCheck],
            ),
        )  # fmt: skip
    sys.stdout.write(json.dumps({"examples": int(sys.argv[1])}) + "\n")


if __name__ == "__main__":
    main()
