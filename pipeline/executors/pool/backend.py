"""What the pool needs of the place where the actors live."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple, Protocol

from pipeline.executors.base import Attempt, Machine
from pipeline.stage import Task


class ActorDied(Exception):
    """An actor's process ended before it answered.

    `str()` gives the reason for users.

    Attributes:
        trace: The details for the log.
        with_machine: Whether its machine went, too: no task is to blame.
    """

    def __init__(self, message: str, trace: str = "", *, with_machine: bool = False) -> None:
        super().__init__(message)
        self.trace = trace
        self.with_machine = with_machine


class Room(NamedTuple):
    """How many actors there may be.

    Attributes:
        now: Actors that fit the machines which are there.
        asked: Actors to ask for; those that do not fit wait for machines that join later.
    """

    now: int
    asked: int


class Backend(Protocol):
    """Starts, asks and ends actors. Handles and tickets are opaque.

    Attributes:
        at_once: Number of tasks that an actor works on at the same time.
    """

    at_once: int

    def room(self) -> Room:
        """Count the actors that there may be; it is asked again and again, as machines join."""
        ...

    def shun(self, machine: Machine) -> None:
        """Start no further actor on this machine."""
        ...

    def start(self) -> tuple[object, Hashable]:
        """Start an actor; give its handle and the ticket of its setup."""
        ...

    def submit(self, actor: object, task: Task) -> Hashable:
        """Append a task to an actor's queue; give the ticket of the answer."""
        ...

    def wait(self, tickets: Sequence[Hashable]) -> Hashable | None:
        """Wait about a second; give one ticket whose answer has come, or None."""
        ...

    def answer(self, ticket: Hashable) -> Attempt:
        """Give the answer for a ticket; raise ActorDied if there will be none."""
        ...

    def kill(self, actor: object) -> None:
        """End an actor at once, dead or alive."""
        ...

    def free(self) -> str:
        """Describe in words what is free for actors."""
        ...
