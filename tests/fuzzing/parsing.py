"""What every parser must do with a stranger's file: give a value or one of our own errors, soon."""

import resource
import sys
import time
from collections.abc import Callable

from pipeline.errors import GoldenseedError

MOST_SECONDS = 5.0
"""Processor time that one small file may take."""
MOST_BYTES = 512 * 2**20
"""Memory by which one small file may raise the peak of this process."""
MESSAGE = 20_000
"""Longest message, in letters."""


class EscapedError(AssertionError):
    """A parser raised what is no error of ours, or took too much."""


def parse(read: Callable[[], object]) -> object:
    """Call a parser; give its value, or the error of ours that it raised.

    Raises:
        EscapedError: If it raises anything else, or takes too long or too much memory.
    """
    start, peak = time.process_time(), _peak_bytes()
    try:
        result = read()
    except GoldenseedError as error:
        result = error
        if len(str(error)) > MESSAGE:
            raise EscapedError(f"a message of {len(str(error)):,} letters") from error
    except Exception as error:
        raise EscapedError(f"{type(error).__name__}: {str(error)[:300]}") from error
    if (seconds := time.process_time() - start) > MOST_SECONDS:
        raise EscapedError(f"it took {seconds:.1f} s")
    if (more := _peak_bytes() - peak) > MOST_BYTES:
        raise EscapedError(f"it took {more:,} bytes")
    return result


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
