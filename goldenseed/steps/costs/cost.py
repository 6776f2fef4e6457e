"""Define costs, which add up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What work costs.

    Attributes:
        gpu_seconds: Time of one H100.
        core_seconds: Time of one CPU core.
        disk_bytes: Room on the disk.

    Example:
        >>> Cost(gpu_seconds=2.0) + Cost(gpu_seconds=1.0, disk_bytes=8.0)
        Cost(gpu_seconds=3.0, core_seconds=0.0, disk_bytes=8.0)
    """

    gpu_seconds: float = 0.0
    core_seconds: float = 0.0
    disk_bytes: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """Add the costs of other work."""
        return Cost(
            self.gpu_seconds + other.gpu_seconds,
            self.core_seconds + other.core_seconds,
            self.disk_bytes + other.disk_bytes,
        )

    def seconds(self, workers: int) -> float:
        """Wall seconds with this many workers, each with one GPU or one core.

        Work of CPU cores beside a GPU does not count: it is done meanwhile, in other threads.
        """
        return (self.gpu_seconds or self.core_seconds) / max(1, workers)
