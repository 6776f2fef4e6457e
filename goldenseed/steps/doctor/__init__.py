"""Find out what a machine lacks for drawing and measuring, and say how to get it."""

from collections.abc import Iterator
from pathlib import Path

from goldenseed.steps.doctor import cluster, machine, software
from goldenseed.steps.doctor.finding import Finding, State

__all__ = ["Finding", "State", "examine"]


def examine(folder: Path) -> Iterator[Finding]:
    """Check the machine, one finding after the other.

    Args:
        folder: Where runs will be written; it must exist.
    """
    yield software.libraries()
    yield machine.gpu()
    yield machine.memory()
    yield machine.compiler()
    yield machine.disk(folder)
    yield machine.hard_links(folder)
    yield machine.ports()
    yield cluster.ray_address()
    yield cluster.ray_access()
    yield cluster.token_file()
    yield software.shipped_models()
    yield software.hub()
    yield software.unicode_output()
    yield software.fonts()
