"""Lines that say how far a training is, for the command to show."""

import logging
import time

LINE_SECONDS = 10.0
"""Time between two lines."""

logger = logging.getLogger("goldenseed.progress")


class Pace:
    """Says every 10 seconds how far a training is, how fast, and how long it will take.

    The rate is that of this process: what an earlier one did before a kill does not count.

    Args:
        name: What is trained.
        total: Pictures to learn from in all epochs.

    Example:
        >>> Pace("seed classifier", 1000).tell(10, 0.5)  # not yet time for a line
    """

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total = name, total
        self._first: tuple[float, int] | None = None
        self._last = time.monotonic()

    def tell(self, done: int, right: float) -> None:
        """Log a line if it is time.

        Args:
            done: Pictures learned from.
            right: Share of this epoch's told right.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        if now - self._last < LINE_SECONDS or done == self._first[1]:
            return
        self._last = now
        rate = (done - self._first[1]) / (now - self._first[0])
        logger.info(
            "%s: %s of %s pictures, %.0f pictures/s, %.0f min left; %.1f %% of this epoch's told",
            self.name,
            f"{done:,}",
            f"{self.total:,}",
            rate,
            (self.total - done) / rate / 60,
            100 * right,
        )
