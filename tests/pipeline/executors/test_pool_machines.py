"""The pool on machines of which some join later and some cannot work, with simulated actors."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.executors.base import Attempt, Machine
from pipeline.executors.pool import pool
from pipeline.executors.pool.backend import Room
from pipeline.stage import Outcome
from tests.pipeline.executors.test_pool import Plan, run
from tests.pipeline.faults import items


@dataclass
class Machines(Plan):
    """Actors on machines of which some refuse, and others join later.

    Attributes:
        joining: Number of machines at each count in turn; the last stays.
        refusing: Names of the machines that refuse each setup.
    """

    joining: Sequence[int] = (1,)
    refusing: Sequence[str] = ()
    shunned: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._joining = list(self.joining)

    def room(self) -> Room:
        machines = self._joining[0]
        if len(self._joining) > 1:
            self._joining.pop(0)
        return Room(machines, max(1, 2 * machines))

    def shun(self, machine: Machine) -> None:
        self.shunned.append(machine.name)

    def wait(self, tickets: Sequence[Hashable]) -> Hashable | None:
        """Actors beyond the machines that are there do not answer."""
        placed = sorted(self.alive)[: self._joining[0]]
        answers = [ticket for ticket in tickets if self._asked[ticket][0] in placed]
        return super().wait(answers) if answers else None

    def answer(self, ticket: Hashable) -> Attempt:
        actor, task = self._asked[ticket]
        name = f"machine {sorted(self.alive).index(actor)}"
        if task is None and name in self.refusing and name not in self.shunned:
            self._asked.pop(ticket)
            return Attempt(Outcome("", error="no mount"), machine=Machine(name))
        return super().answer(ticket)


@pytest.fixture
def recounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RECOUNT", 0.0)


@pytest.mark.usefixtures("recounts")
def test_a_machine_that_cannot_work_costs_one_actor_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plan = Machines(joining=[3], refusing=["machine 1"], order=[0, 1, 2] * 9, seconds=60)
    outcomes = run(plan, items(9), 3)
    assert [outcome.error for outcome in outcomes] == [""] * 9
    assert plan.shunned == ["machine 1"]
    assert "stage goes on without one of its actors: machine 1: no mount" in caplog.text


@pytest.mark.usefixtures("recounts")
def test_the_run_ends_if_each_machine_that_is_there_refuses() -> None:
    """Actors that wait for further machines do not keep it alive."""
    plan = Machines(joining=[2], refusing=["machine 0", "machine 1"], order=[0, 1] * 9)
    (outcome,) = run(plan, items(9), 2)
    assert (outcome.fatal, outcome.error) == (True, "no mount")


@pytest.mark.usefixtures("recounts")
@given(joining=st.lists(st.integers(0, 4), max_size=6), count=st.integers(1, 20))
def test_machines_that_join_later_are_used(joining: list[int], count: int) -> None:
    plan = Machines(joining=[*joining, 3], seconds=60)
    outcomes = run(plan, items(count), 0)
    assert sorted(outcome.task_id for outcome in outcomes) == [item.id for item in items(count)]
    assert plan.most <= max(1, min(count, 8))


@pytest.mark.usefixtures("recounts")
def test_as_many_actors_as_tasks_are_asked_for() -> None:
    plan = Machines(joining=[0, 1, 2, 4, 4], seconds=60)
    run(plan, items(50), 0)
    assert plan.most == 8
