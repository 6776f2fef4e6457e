"""The result of a step over many shards: what was done, what failed and why, what was used."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from goldenseed.progress import follow
from goldenseed.steps.costs.cost import Cost
from pipeline.errors import RunError
from pipeline.runs.drivers import Claims
from pipeline.runs.log import RunLog
from pipeline.runs.run import Run
from pipeline.stage import Outcome


@dataclass(frozen=True)
class Result:
    """The result of a step over many shards.

    Attributes:
        step: Name of the step.
        done: Cells that it worked on.
        failed: Cells among them without a usable image, or without a value.
        errors: "task: reason" for each shard that has no result.
        truncated: Prompts that the text encoder truncated.
        reasons: Why cells failed -> how many.
        seconds: Wall seconds, the start of the workers included.
        workers: Actors that did the work; 0 if none was needed.
        written_bytes: Size of the files that were committed.
        expected: What the plan expects of this work; None if it cannot say.
    """

    step: str
    done: int
    failed: int
    errors: tuple[str, ...]
    truncated: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    workers: int = 0
    written_bytes: int = 0
    expected: Cost | None = None

    def then(self, rest: "Result") -> "Result":
        """Add what the same step did later, to the shards that other processes had left."""
        return Result(
            rest.step,
            self.done + rest.done,
            self.failed + rest.failed,
            rest.errors,
            max(self.truncated, rest.truncated),
            Counter(self.reasons) + Counter(rest.reasons),
            self.seconds + rest.seconds,
            max(self.workers, rest.workers),
            self.written_bytes + rest.written_bytes,
            self.expected and rest.expected and self.expected + rest.expected,
        )


def collect(run: Run, step: str, outcomes: Iterable[Outcome], total: int, claims: Claims) -> Result:
    """Run a stage to its end, log each outcome, and keep only sums.

    Args:
        run: The run.
        step: Name of the step.
        outcomes: As an executor yields them.
        total: Cells of all tasks; if 0, nothing is run.
        claims: The claim on each task ends with its outcome.

    Raises:
        RunError: If an outcome is fatal.
    """
    sums = _Sums()
    if not total:
        return sums.result(step)
    with RunLog(run, step) as log:
        log.event("begin", {"images": total})
        for outcome in follow(outcomes, what=step, total=total):
            claims.release(outcome.task_id)
            log.shard(outcome)
            sums.add(outcome)
            if outcome.fatal:
                raise RunError(f"{step}: {outcome.error}")
        result = sums.result(step)
        log.event("end", _logged(result))
    return result


def _logged(result: Result) -> dict[str, object]:
    return {
        "images": result.done,
        "failed": result.failed,
        "reasons": dict(result.reasons),
        "shards_without_result": len(result.errors),
        "seconds": round(result.seconds, 3),
        "workers": result.workers,
        "written_bytes": result.written_bytes,
    }


class _Sums:
    """Adds up outcomes."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._errors: list[str] = []
        self._truncated: set[str] = set()
        self._actors: set[str] = set()

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of a task."""
        self._counts.update(done=outcome.cells, failed=outcome.failed)
        self._reasons.update(dict(outcome.reasons))
        self._truncated.update(outcome.truncated_prompts)
        if outcome.usage:
            self._actors.add(outcome.usage.actor)
            self._counts.update(bytes=outcome.usage.written_bytes)
        if outcome.error:
            task = f"{outcome.task_id}: " if outcome.task_id else ""
            self._errors.append(f"{task}{outcome.error}")

    def result(self, step: str) -> Result:
        """Give the sums so far."""
        return Result(
            step,
            self._counts["done"],
            self._counts["failed"],
            tuple(self._errors),
            len(self._truncated),
            dict(self._reasons),
            time.monotonic() - self._start,
            len(self._actors),
            self._counts["bytes"],
        )
