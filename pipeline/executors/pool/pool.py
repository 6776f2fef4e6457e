"""A pool of actors: hands out tasks and replaces actors that die.

It does not know where the actors live: a `Backend` does.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pipeline.executors.base import ATTEMPTS, Attempt, Ledger
from pipeline.executors.pool.backend import ActorDied, Backend, Room
from pipeline.stage import Outcome, Task

AHEAD = 0.5
"""Seconds of work that an actor holds in addition to the task that it is doing. The way to the
driver takes a millisecond, on a busy machine half a second. Longer tasks wait with the driver: a
task that waits behind a long one is not available to an actor that is free."""

MOST_AHEAD = 8
"""Maximum number of tasks that an actor holds in addition to its current task."""

DEATHS = 9
"""Actors in a row that die in one slot before the slot is given up. Three tasks that each kill
their process three times are survived; a broken machine is not kept busy."""

PATIENCE = 120.0
"""Seconds without a ready actor after which a message is logged."""

RECOUNT = 5.0
"""Seconds after which the machines are counted again: one may have joined."""

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Task)


@dataclass
class _Slot(Generic[T]):
    """One worker: an actor, or later its replacement.

    Attributes:
        actor: Handle of the actor.
        setup: Ticket of its setup; None once the setup has succeeded.
        work: Tickets and tasks that it was given; it is doing the first.
        setups: Setups in a row that failed.
        deaths: Actors in a row that died during a task.
    """

    actor: object
    setup: Hashable | None
    work: deque[tuple[Hashable, T]] = field(default_factory=deque)
    setups: int = 0
    deaths: int = 0

    @property
    def awaited(self) -> Hashable | None:
        """The ticket whose answer comes next, or None; an actor answers in order."""
        if self.setup is not None:
            return self.setup
        return self.work[0][0] if self.work else None


class Pool(Generic[T]):
    """The actors of one stage and the tasks that they hold.

    Args:
        name: The stage's name.
        backend: Where the actors live.
        ledger: The tasks.
    """

    def __init__(self, name: str, backend: Backend, ledger: Ledger[T]) -> None:
        self._name = name
        self._backend = backend
        self._ledger = ledger
        self._seconds = math.inf
        self._suspects: set[str] = set()
        self._slots: list[_Slot[T]] = []
        self._lost: list[str] = []
        self._told = 0
        self._room = Room(0, 0)
        self._recount_at = -math.inf
        self._error = ""
        self._ready_at = time.monotonic()

    def outcomes(self) -> Iterator[Outcome]:
        """Hand out tasks and yield outcomes until none is left or one is fatal."""
        while True:
            self._hand_out()
            if self._finished():
                return
            self._ask_for_actors()
            if self._all_failed():
                yield Outcome(self._unfinished_task_id(), error=self._error, fatal=True)
                return
            self._warn_if_nothing_is_ready()
            outcome = self._next()
            if outcome is not None:
                yield outcome
                if outcome.fatal:
                    return

    def close(self) -> None:
        """End all actors at once; what they have not committed is lost and done again later."""
        for slot in self._slots:
            self._backend.kill(slot.actor)
        self._slots.clear()

    def _ask_for_actors(self) -> None:
        """Ask for as many actors as there may be, and at most one per waiting task."""
        if time.monotonic() < self._recount_at:
            return
        self._recount_at = time.monotonic() + RECOUNT
        self._room = self._backend.room()
        missing = self._room.asked - len(self._lost) - len(self._slots)
        idle = sum(not slot.work for slot in self._slots)
        for _ in range(min(missing, self._ledger.waiting(max(0, missing) + idle) - idle)):
            self._slots.append(_Slot(*self._backend.start()))

    def _all_failed(self) -> bool:
        """Whether no actor works, and each that had a machine has failed there."""
        if any(slot.setup is None for slot in self._slots):
            return False
        return not self._slots or 0 < self._room.now <= len(self._lost)

    def _finished(self) -> bool:
        """Whether no task is in work and none is left to hand out."""
        return not any(slot.work for slot in self._slots) and self._ledger.peek() is None

    def _hand_out(self) -> None:
        """Give tasks to the actors that are ready, until each holds enough."""
        ahead = min(MOST_AHEAD, int(AHEAD / max(self._seconds, 1e-3)))
        for depth in range(1, self._backend.at_once + ahead + 1):
            for slot in self._slots:
                if slot.setup is None and len(slot.work) < depth and not self._suspected(slot):
                    self._hand_one(slot)

    def _suspected(self, slot: _Slot[T]) -> bool:
        """Whether an actor holds a task that was charged with a death before.

        An answer may still be under way when the next task kills the process, and the death is
        then charged to the wrong task. A task that was charged is therefore tried again alone,
        with no other task in the actor's queue.
        """
        return any(task.id in self._suspects for _, task in slot.work)

    def _hand_one(self, slot: _Slot[T]) -> None:
        task = self._ledger.take()
        if task is None:
            return
        if task.id in self._suspects and slot.work:
            self._ledger.give_back(task)
            return
        slot.work.append((self._backend.submit(slot.actor, task), task))

    def _next(self) -> Outcome | None:
        """Wait a moment for an answer and record it."""
        slots = {slot.awaited: slot for slot in self._slots if slot.awaited is not None}
        ticket = self._backend.wait([ticket for ticket in slots if ticket is not None])
        if ticket is None:
            return None
        slot = slots[ticket]
        try:
            attempt = self._backend.answer(ticket)
        except ActorDied as error:
            return self._died(slot, error)
        if slot.setup is None:
            return self._done(slot, attempt)
        self._set_up(slot, attempt)
        return None

    def _set_up(self, slot: _Slot[T], attempt: Attempt) -> None:
        if attempt.trace:
            logger.debug("setup of %s failed:\n%s", self._name, attempt.trace)
        if not attempt.outcome.error:
            slot.setup, slot.setups = None, 0
            self._tell_lost()
        elif attempt.again:
            self._setup_failed(slot, attempt.outcome.error)
        else:
            self._refused(slot, attempt)

    def _refused(self, slot: _Slot[T], attempt: Attempt) -> None:
        """Go on without a machine that cannot do the work: no mount, no GPU, another canary."""
        error = attempt.outcome.error
        if attempt.machine is not None:
            self._backend.shun(attempt.machine)
            error = f"{attempt.machine.name}: {error}"
        self._error = attempt.outcome.error
        self._lose(slot, error)

    def _setup_failed(self, slot: _Slot[T], error: str) -> None:
        slot.setups += 1
        self._replace(slot, error, given_up=slot.setups >= ATTEMPTS)

    def _lose(self, slot: _Slot[T], error: str) -> None:
        self._backend.kill(slot.actor)
        self._slots.remove(slot)
        self._lost.append(error)
        if any(other.setup is None for other in self._slots):
            self._tell_lost()

    def _tell_lost(self) -> None:
        """Name the actors that the run does without; if all are lost, the outcome says why."""
        for error in self._lost[self._told :]:
            logger.warning("%s goes on without one of its actors: %s", self._name, error)
        self._told = len(self._lost)

    def _done(self, slot: _Slot[T], attempt: Attempt) -> Outcome | None:
        task = slot.work.popleft()[1]
        self._suspects.discard(task.id)
        slot.deaths = 0
        self._seconds = attempt.outcome.seconds
        if attempt.broken:
            self._replace(slot, attempt.outcome.error)
        return self._ledger.settle(task, attempt)

    def _died(self, slot: _Slot[T], error: ActorDied) -> Outcome | None:
        """Charge the task in work with the death; the tasks queued behind it go back.

        A task is not charged with the loss of its machine: spot machines may go again and again.
        """
        if slot.setup is not None:
            logger.debug("setup of %s ended its process:\n%s", self._name, error.trace)
            self._setup_failed(slot, str(error))
            return None
        slot.deaths += 1
        if error.with_machine:
            logger.warning("a machine of the cluster is gone: %s; its work is done again", error)
            self._replace(slot, str(error), given_up=slot.deaths >= DEATHS)
            return None
        task = slot.work.popleft()[1]
        self._suspects.add(task.id)
        outcome = Outcome(task.id, error=f"its process ended: {error}")
        self._replace(slot, outcome.error, given_up=slot.deaths >= DEATHS)
        return self._ledger.settle(task, Attempt(outcome, again=True, trace=error.trace))

    def _replace(self, slot: _Slot[T], error: str, *, given_up: bool = False) -> None:
        """Put a new actor into the slot, or give up the slot."""
        self._error = f"no actor for {self._name} stays alive; the last error: {error}"
        for _, task in slot.work:
            self._ledger.give_back(task)
        slot.work.clear()
        if given_up:
            self._lose(slot, error)
        else:
            self._backend.kill(slot.actor)
            slot.actor, slot.setup = self._backend.start()

    def _unfinished_task_id(self) -> str:
        """The id of a task that is not done, to name in an outcome that concerns all of them."""
        task = self._ledger.peek()
        if task is not None:
            return task.id
        return next((task.id for slot in self._slots for _, task in slot.work), "")

    def _warn_if_nothing_is_ready(self) -> None:
        clock = time.monotonic()
        if any(slot.setup is None for slot in self._slots):
            self._ready_at = clock
        elif clock - self._ready_at > PATIENCE:
            self._ready_at = clock
            logger.warning(
                "no actor for %s is ready after %.0f s; %s are free. The cluster may still be "
                "starting machines or loading the model; Ctrl-C loses nothing",
                self._name,
                PATIENCE,
                self._backend.free(),
            )
