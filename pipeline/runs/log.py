"""The log of a run: what each shard used, and why it failed; one JSON object a line.

    logs/<time>-<id>-<number>.jsonl

The process that hands out the work writes it, from what the actors report. Sorted by name, the
files are in order of time. A log holds ids of prompts, never their texts, and no credentials.
"""

import json
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from pipeline.errors import StoreError
from pipeline.redact import redact
from pipeline.runs.layout import LOGS_FOLDER
from pipeline.runs.run import Run, utc_now
from pipeline.stage import Outcome
from pipeline.storage.store import Store

FILE_BYTES = 2**20
"""Size at which a file is closed and the next one is begun."""
MOST_FILES = 128
"""Files in the folder; the oldest are removed. A run of 46 million images writes about 40."""
WRITE_SECONDS = 10.0
"""Time after which new lines are written, so that a run which is killed has a log."""


class RunLog:
    """Writes the log of one step of a run; a context manager.

    A log that cannot be written stops no run: a full disk stops it at its next shard.

    Args:
        run: The run.
        step: Name of the step, for example "generate".
    """

    def __init__(self, run: Run, step: str) -> None:
        self._store: Store = run.store
        self._common = {"run_id": run.run_id, "step": step}
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._name, self._number = f"{started}-{secrets.token_hex(4)}", 0
        self._lines: list[bytes] = []
        self._written_at = time.monotonic()

    def __enter__(self) -> Self:
        """Begin a log; its file is made with the first line."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left, whatever ended the block."""
        self._write()

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Add a line.

        Args:
            name: What happened: "begin", "shard" or "end".
            fields: Plain values for JSON.
        """
        line = {"time": utc_now(), "event": name, **self._common, **fields}
        self._lines.append(redact(json.dumps(line)).encode() + b"\n")
        full = sum(map(len, self._lines)) >= FILE_BYTES
        if full or name != "shard" or time.monotonic() - self._written_at > WRITE_SECONDS:
            self._write()
        if full:
            self._number, self._lines = self._number + 1, []

    def shard(self, outcome: Outcome) -> None:
        """Add the line of a shard."""
        usage = outcome.usage
        self.event(
            "shard",
            {
                "shard": outcome.task_id,
                "actor": usage.actor if usage else None,
                "images": outcome.cells,
                "failed": outcome.failed,
                "reasons": dict(outcome.reasons),
                "seconds": round(outcome.seconds, 4),
                "parts": usage.seconds if usage else {},
                "idle_share": round(usage.idle, 4) if usage and usage.idle is not None else None,
                "gpu_bytes": usage.gpu_bytes if usage else None,
                "written_bytes": usage.written_bytes if usage else 0,
                "error": outcome.error,
            },
        )

    def _write(self) -> None:
        self._written_at = time.monotonic()
        if not self._lines:
            return
        with suppress(OSError, StoreError):
            key = f"{LOGS_FOLDER}/{self._name}-{self._number:04}.jsonl"
            self._store.replace(key, b"".join(self._lines))
            for old in [*self._store.list(LOGS_FOLDER, ".jsonl")][:-MOST_FILES]:
                self._store.remove(old)
