"""Counts the actors that fit the machines of a cluster, and refuses actors that fit none."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.errors import ModelError, RunError
from pipeline.stage import Resources


def count_workers(needs: Resources, machines: Iterable[Mapping[str, float]]) -> int:
    """Count the actors that fit the machines: by GPUs if they need any, else by cores; by memory.

    Args:
        needs: The resources of one actor.
        machines: The resources of each machine, under "CPU", "GPU" and "memory" (bytes).

    Returns:
        The number of actors; 0 if none fits.

    Example:
        >>> count_workers(Resources(gpus=2.0), [{"CPU": 8, "GPU": 4}, {"CPU": 8, "GPU": 1}])
        2
        >>> count_workers(Resources(memory=4 * 10**9), [{"CPU": 8, "memory": 10**10}])
        2
    """
    amounts = {"GPU": needs.gpus} if needs.gpus else {"CPU": needs.cpus}
    if needs.memory:
        amounts["memory"] = float(needs.memory)
    return sum(
        min(int(machine.get(kind, 0) / amount) for kind, amount in amounts.items())
        for machine in machines
    )


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
        RunError: If it needs more CPU cores or more memory.
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
    memory = max((machine.get("memory", 0) for machine in machines), default=0)
    if needs.memory > memory:
        raise RunError(
            f"{name} needs {needs.memory / 1e9:.1f} GB of memory for each actor, and Ray grants "
            f"{memory / 1e9:.1f} GB on the best of {len(machines)} machine(s): lower "
            "`analysis_memory_gb` of the recipe, or run it on a larger machine"
        )
