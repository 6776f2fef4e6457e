"""The pool, tested with simulated actors that fail by plan: thousands of runs in seconds."""

import itertools
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ModelError, RunError
from pipeline.executors.base import ATTEMPTS, Attempt, Ledger, Machine
from pipeline.executors.pool import pool
from pipeline.executors.pool.backend import ActorDied, Room
from pipeline.executors.pool.pool import DEATHS, Pool
from pipeline.executors.ray.machines import check_machines, count_workers
from pipeline.stage import Outcome, Resources, Task
from tests.pipeline.faults import Item, items

FAULTS = ("ok", "raises", "dies", "gone", "broken")


@dataclass
class Plan:
    """Simulated actors that follow a plan, in the order in which they are asked.

    Attributes:
        tasks: The fault of each attempt in turn; "ok" once the list is used up.
        setups: The same for setups; "refuses" stands for a GoldenseedError.
        seconds: The time that each task reports.
        workers: Number of actors that the machines hold.
        at_once: Tasks that an actor works on at the same time.
        order: Which of the pending answers comes first, one number per wait.
    """

    tasks: Sequence[str] = ()
    setups: Sequence[str] = ()
    order: Sequence[int] = ()
    seconds: float = 0.0
    workers: int = 1
    at_once: int = 1
    done: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    alive: set[int] = field(default_factory=set)
    most: int = 0

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._tasks, self._setups = iter(self.tasks), iter(self.setups)
        self._order = iter(self.order)
        self._asked: dict[Hashable, tuple[int, Task | None]] = {}

    def room(self) -> Room:
        return Room(self.workers, self.workers)

    def shun(self, machine: Machine) -> None:
        raise AssertionError(f"{machine} was named by no answer")

    def start(self) -> tuple[object, Hashable]:
        actor = next(self._numbers)
        self.alive.add(actor)
        self.most = max(self.most, len(self.alive))
        return actor, self._ticket(actor, None)

    def submit(self, actor: object, task: Task) -> Hashable:
        assert actor in self.alive, "a task was handed to a dead actor"
        assert isinstance(actor, int)
        return self._ticket(actor, task)

    def _ticket(self, actor: int, task: Task | None) -> Hashable:
        ticket = next(self._numbers)
        self._asked[ticket] = (actor, task)
        return ticket

    def wait(self, tickets: Sequence[Hashable]) -> Hashable | None:
        assert tickets, "the pool waits for no ticket"
        return tickets[next(self._order, 0) % len(tickets)]

    def answer(self, ticket: Hashable) -> Attempt:
        task = self._asked.pop(ticket)[1]
        fault = next(self._tasks if task else self._setups, "ok")
        task_id = task.id if task else ""
        if fault in {"dies", "gone"}:
            raise ActorDied("killed", "a long story", with_machine=fault == "gone")
        if fault == "ok":
            self.done.update([task_id] if task else [])
            return Attempt(Outcome(task_id, cells=1, seconds=self.seconds))
        outcome = Outcome(task_id, error=fault)
        return Attempt(outcome, again=fault != "refuses", broken=fault == "broken", trace="t")

    def kill(self, actor: object) -> None:
        assert isinstance(actor, int)
        self.alive.discard(actor)

    def free(self) -> str:
        return "none"


def run(plan: Plan, tasks: Sequence[Item], workers: int) -> list[Outcome]:
    plan.workers = workers
    actors = Pool("stage", plan, Ledger(tasks))
    try:
        return list(actors.outcomes())
    finally:
        actors.close()


@given(
    tasks=st.lists(st.sampled_from(FAULTS), max_size=40),
    setups=st.lists(st.sampled_from(["ok", "raises", "dies", "refuses"]), max_size=8),
    order=st.lists(st.integers(0, 5), max_size=60),
    count=st.integers(1, 12),
    workers=st.integers(1, 4),
)
def test_every_task_has_one_outcome_whatever_fails(
    tasks: list[str], setups: list[str], order: list[int], count: int, workers: int
) -> None:
    plan = Plan(tasks, setups, order)
    outcomes = run(plan, items(count), workers)
    named = [outcome.task_id for outcome in outcomes]
    assert len(set(named)) == len(named)
    assert not plan.alive, "an actor outlived the pool"
    assert plan.most <= workers
    finished = {outcome.task_id for outcome in outcomes if not outcome.error}
    assert finished == set(plan.done)
    if outcomes[-1].fatal:
        assert not any(outcome.fatal for outcome in outcomes[:-1])
        assert "stays alive" in outcomes[-1].error or outcomes[-1].error == "refuses"
    else:
        assert sorted(named) == [item.id for item in items(count)]


def test_a_naive_pool_would_lose_tasks() -> None:
    """If failed tasks are not given back, the same plan ends with one outcome too few."""

    class Forgetful(Ledger[Item]):
        def settle(self, task: Item, attempt: Attempt) -> Outcome | None:
            return None if attempt.again else attempt.outcome

    outcomes = list(Pool("stage", Plan(["ok", "dies"]), Forgetful(items(5))).outcomes())
    assert len(outcomes) == 4
    assert len(run(Plan(["ok", "dies"]), items(5), 1)) == 5


class EachDiesTwice(Plan):
    """Each task except number 0 kills its actor at its first two attempts."""

    def answer(self, ticket: Hashable) -> Attempt:
        task = self._asked[ticket][1]
        if task is not None and task.id != Item(0).id:
            self.tried[task.id] += 1
            if self.tried[task.id] < ATTEMPTS:
                raise ActorDied("killed")
        return super().answer(ticket)


def test_only_the_task_in_work_is_charged_with_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the tasks queued behind it were charged too, some of them would be given up."""
    monkeypatch.setattr(pool, "DEATHS", 100)
    outcomes = run(EachDiesTwice(), items(6), 1)
    assert [outcome.error for outcome in outcomes] == [""] * 6
    (alone,) = run(Plan(["dies"] * 3), items(1), 1)
    assert alone.error == "its process ended: killed (3 attempts)"


class KillerBehind(Plan):
    """Number 3 ends its process so early that the answer to the task before it is also lost."""

    def answer(self, ticket: Hashable) -> Attempt:
        actor, task = self._asked[ticket]
        held = [other for whose, other in self._asked.values() if whose == actor and other]
        if task is not None and any(other.id == Item(3).id for other in held):
            self._asked = {t: pair for t, pair in self._asked.items() if pair[0] != actor}
            raise ActorDied("killed")
        return super().answer(ticket)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_lost_answer_is_not_held_against_a_task_twice(workers: int) -> None:
    """An innocent task that is tried again with the killer behind it would be given up."""
    outcomes = run(KillerBehind(), items(6), workers)
    errors = {outcome.task_id: outcome.error for outcome in outcomes if outcome.error}
    assert errors == {Item(3).id: "its process ended: killed (3 attempts)"}
    assert len(outcomes) == 6


def test_without_suspicion_an_innocent_task_would_be_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "DEATHS", 100)
    monkeypatch.setattr(Pool, "_suspected", lambda *_: False)
    monkeypatch.setattr(Pool, "_hand_one", _hand_out_at_once)
    outcomes = run(KillerBehind(), items(6), 1)
    assert len([outcome for outcome in outcomes if outcome.error]) > 1


def _hand_out_at_once(actors: Pool[Item], slot: pool._Slot[Item]) -> None:
    task = actors._ledger.take()
    if task is not None:
        slot.work.append((actors._backend.submit(slot.actor, task), task))


def test_a_task_is_not_charged_with_the_loss_of_its_machine() -> None:
    """Spot machines may be taken back more often than a task is tried."""
    often = ["gone"] * (DEATHS - 1)
    assert [outcome.error for outcome in run(Plan(often), items(1), 1)] == [""]
    (outcome,) = run(Plan(["gone"] * DEATHS), items(1), 1)
    assert outcome.fatal


def test_a_machine_on_which_every_actor_dies_is_given_up() -> None:
    outcomes = run(Plan(["dies"] * 1000), items(100), 2)
    assert outcomes[-1].fatal
    assert "no actor for stage stays alive; the last error: its process ended: killed" in (
        outcomes[-1].error
    )
    assert len(outcomes) <= 2 * DEATHS / ATTEMPTS + 1


@pytest.mark.parametrize("fault", ["raises", "dies"])
def test_a_setup_that_never_works_is_given_up(fault: str) -> None:
    plan = Plan(setups=[fault] * 100)
    (outcome,) = run(plan, items(4), 2)
    assert outcome.fatal
    assert outcome.task_id == Item(0).id
    assert "no actor for stage stays alive" in outcome.error


def test_one_failing_machine_does_not_end_the_run() -> None:
    plan = Plan(setups=["ok", "dies", "dies", "dies"])
    outcomes = run(plan, items(4), 2)
    assert not any(outcome.error for outcome in outcomes)


def test_setups_that_all_refuse_end_the_run() -> None:
    (outcome,) = run(Plan(setups=["refuses"] * 3), items(4), 3)
    assert (outcome.fatal, outcome.error) == (True, "refuses")


@dataclass
class Counting(Plan):
    """Records how many tasks the actors hold each time the pool waits."""

    held: int = 0

    def wait(self, tickets: Sequence[Hashable]) -> Hashable | None:
        held = sum(task is not None for _, task in self._asked.values())
        self.held = max(self.held, held)
        return super().wait(tickets)


@pytest.mark.parametrize(
    ("seconds", "most"), [(0.0, 1 + pool.MOST_AHEAD), (0.1, 6), (0.3, 2), (0.6, 1), (60.0, 1)]
)
def test_long_tasks_do_not_wait_behind_another(seconds: float, most: int) -> None:
    """Short tasks are handed out ahead; long tasks go only to an actor that is free."""
    plan = Counting(seconds=seconds)
    assert len(run(plan, items(20), 1)) == 20
    assert plan.held == most


def test_a_pool_without_a_ready_actor_logs_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Plan):
        waits = 0

        def wait(self, tickets: Sequence[Hashable]) -> Hashable | None:
            self.waits += 1
            return None if self.waits < 3 else super().wait(tickets)

    monkeypatch.setattr(pool, "PATIENCE", -1.0)
    assert len(run(Slow(), items(1), 1)) == 1
    assert "no actor for stage is ready" in caplog.text
    assert "none are free" in caplog.text


def test_workers_are_counted_by_the_scarce_resource() -> None:
    machines = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 3.0}]
    assert count_workers(Resources(), machines) == 19
    assert count_workers(Resources(cpus=2.0), machines) == 9
    assert count_workers(Resources(gpus=1.0), machines) == 4
    assert count_workers(Resources(gpus=0.5), machines) == 8
    assert count_workers(Resources(), []) == 0


def test_an_actor_that_fits_no_machine_is_refused() -> None:
    machines = [{"CPU": 16.0, "GPU": 1.0}, {"CPU": 16.0, "GPU": 1.0}]
    check_machines("draw", Resources(gpus=1.0), machines)
    with pytest.raises(ModelError, match=r"draw needs 2 GPU .* best of 2 machine\(s\) has 1"):
        check_machines("draw", Resources(gpus=2.0), machines)
    with pytest.raises(RunError, match="draw needs 32 CPU cores"):
        check_machines("draw", Resources(cpus=32.0), machines)
    with pytest.raises(ModelError, match=r"0 machine\(s\) has 0"):
        check_machines("draw", Resources(gpus=1.0), [])
