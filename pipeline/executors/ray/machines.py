"""Counts the actors that fit the machines of a cluster, and refuses actors that fit none."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.errors import ModelError, RunError
from pipeline.stage import Resources


def count_workers(needs: Resources, machines: Iterable[Mapping[str, float]]) -> int:
    """Count the actors that fit the machines: by GPUs if they need any, else by cores.

    Args:
        needs: The resources of one actor.
        machines: The resources of each machine, under "CPU" and "GPU".

    Returns:
        The number of actors; 0 if none fits.

    Example:
        >>> count_workers(Resources(gpus=2.0), [{"CPU": 8, "GPU": 4}, {"CPU": 8, "GPU": 1}])
        2
    """
    kind, amount = ("GPU", needs.gpus) if needs.gpus else ("CPU", needs.cpus)
    return sum(int(machine.get(kind, 0) / amount) for machine in machines)


def no_machine(name: str, needs: Resources, seconds: float) -> str:
    """Say that no machine which fits an actor has joined the cluster.

    Example:
        >>> no_machine("draw", Resources(gpus=1.0), 900.0)[:62]
        'draw needs 1 GPU and 1 CPU core for each actor, and for 15 min'
    """
    gpus = f"{needs.gpus:g} GPU and " if needs.gpus else ""
    cores = "core" if needs.cpus == 1 else "cores"
    return (
        f"{name} needs {gpus}{needs.cpus:g} CPU {cores} for each actor, and for "
        f"{seconds / 60:.0f} minutes no machine of the cluster has had them. What is committed is "
        "kept; see that such machines can join (`ray status`), and repeat the command to continue"
    )


def check_machines(name: str, needs: Resources, machines: Sequence[Mapping[str, float]]) -> None:
    """Refuse at once what a cluster would wait for forever.

    Raises:
        ModelError: If an actor needs more GPUs than any machine has.
        RunError: If it needs more CPU cores.
    """
    gpus = max((machine.get("GPU", 0) for machine in machines), default=0)
    cpus = max((machine.get("CPU", 0) for machine in machines), default=0)
    if needs.gpus > gpus:
        raise ModelError(
            f"{name} needs {needs.gpus:g} GPU for each actor, and the best of {len(machines)} "
            f"machine(s) has {gpus:g}: run it on a machine with GPUs, set RAY_ADDRESS to a "
            "cluster whose GPU machines have joined, or choose a CPU recipe"
        )
    if needs.cpus > cpus:
        raise RunError(
            f"{name} needs {needs.cpus:g} CPU cores for each actor, and the best of "
            f"{len(machines)} machine(s) has {cpus:g}: run it on a larger machine"
        )
