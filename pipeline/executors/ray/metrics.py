"""Metrics of the actors, which Ray exports to Prometheus on each machine of a cluster.

`cluster/grafana.json` shows them. They need the parts of Ray that the extra `cluster` installs on
the machines; without these nobody reads them, and they cost nothing.

Source: Ray's documentation, "Adding Application-Level Metrics" (`ray.util.metrics`).
"""

from ray.util.metrics import Counter, Gauge, Metric

from pipeline.stage import Outcome

PREFIX = "ray_"
"""Ray exports each metric under its name with this prefix."""


class ActorMetrics:
    """The metrics of one actor; made in its process.

    Args:
        stage: Name of the actor's stage, a tag of each metric.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._attempts = _counter("attempts", "Attempts at shards", "result")
        self._images = _counter("images", "Images drawn or measured, failed ones included")
        self._failed = _counter("failed_images", "Images without usable pixels or values")
        self._seconds = _counter("part_seconds", "Wall seconds by part of the work", "part")
        self._written = _counter("written_bytes", "Size of the committed files")
        self._idle = _gauge("idle_share", "Share of the time without drawing, in the last shard")
        self._gpu = _gauge("gpu_bytes", "Most GPU memory that torch has held, in bytes")

    def all(self) -> list[Metric]:
        """List the metrics."""
        return [value for value in vars(self).values() if isinstance(value, Metric)]

    def record(self, outcome: Outcome) -> None:
        """Add an attempt at a task."""
        usage = outcome.usage
        tags = {"stage": self._stage, "run_id": usage.run_id if usage else ""}
        self._attempts.inc(1, {**tags, "result": "failed" if outcome.error else "done"})
        _add(self._images, outcome.cells, tags)
        _add(self._failed, outcome.failed, tags)
        if usage is None:
            return
        _add(self._written, usage.written_bytes, tags)
        for part, seconds in usage.seconds.items():
            _add(self._seconds, seconds, {**tags, "part": part})
        if usage.idle is not None:
            self._idle.set(usage.idle, tags)
        if usage.gpu_bytes is not None:
            self._gpu.set(usage.gpu_bytes, tags)


def _counter(name: str, what: str, *tags: str) -> Counter:
    return Counter(f"goldenseed_{name}_total", what, ("stage", "run_id", *tags))


def _gauge(name: str, what: str) -> Gauge:
    return Gauge(f"goldenseed_{name}", what, ("stage", "run_id"))


def _add(counter: Counter, amount: float, tags: dict[str, str]) -> None:
    """Add to a counter, which takes positive amounts alone."""
    if amount > 0:
        counter.inc(amount, tags)
