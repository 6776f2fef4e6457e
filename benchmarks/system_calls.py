"""Stand between Python and the file system: act on each call that changes a folder."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "ESTALE", "EROFS", "EACCES", "EFBIG")
"""Errors that calls on a disk give."""

Act = Callable[[int, str], None]
"""Called before a call, with its number from 0 and its path; may raise, or end the process."""


def intercept(root: Path, act: Act) -> dict[tuple[Any, str], Callable[..., Any]]:
    """Act, from now on, on each call that makes, writes, syncs, renames or removes a file.

    Args:
        root: The folder whose files count.
        act: What to do before each call.

    Returns:
        (module, name) -> the call as it was.
    """
    passed = 0

    def guarded(real: Callable[..., Any], path_of: Callable[..., str]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            nonlocal passed
            path = path_of(*arguments, **options)
            if str(root) in path:
                passed += 1
                act(passed - 1, path)
            return real(*arguments, **options)

        return call

    names = ("link", "rename", "replace", "mkdir", "unlink")
    before = {(os, name): getattr(os, name) for name in (*names, "fsync")} | {(io, "open"): io.open}
    for name in names:
        setattr(os, name, guarded(getattr(os, name), lambda path, *_, **__: str(path)))
    os.fsync = guarded(os.fsync, lambda handle: str(Path(f"/proc/self/fd/{handle}").readlink()))
    io.open = guarded(io.open, _written)  # type: ignore[assignment] # what Path.open calls
    return before


def failing(number: int, code: int, *, lasting: bool) -> Act:
    """Let one call fail.

    Args:
        number: Which call fails.
        code: The error.
        lasting: Whether all later calls fail, too.
    """

    def act(index: int, path: str) -> None:
        if index == number or (lasting and index > number):
            raise OSError(code, os.strerror(code), path)

    return act


def _written(file: object, mode: str = "r", *_: object, **__: object) -> str:
    """The path of a file that is opened for writing; empty if it is only read."""
    return str(file) if set(mode) & set("wxa+") else ""
