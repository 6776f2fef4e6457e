"""Log how far a training has come, for the command to show."""

import logging
import time

LINE_SECONDS = 10.0
"""Time between two lines."""

logger = logging.getLogger("goldenseed.progress")


class Pace:
    """Logs every 10 seconds how far a training has come, its rate and the time left.

    The rate is that of this process; images of an earlier, killed process do not count.

    Args:
        name: What is trained.
        total: Number of images to train on in all epochs.

    Example:
        >>> Pace("seed classifier", 1000).tell(10, 0.5)  # not yet time for a line
    """

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total = name, total
        self._first: tuple[float, int] | None = None
        self._last = time.monotonic()

    def tell(self, done: int, right: float) -> None:
        """Log a line if 10 seconds have passed.

        Args:
            done: Number of images trained on so far.
            right: Share of this epoch's images that were classified correctly.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        if now - self._last < LINE_SECONDS or done == self._first[1]:
            return
        self._last = now
        rate = (done - self._first[1]) / (now - self._first[0])
        logger.info(
            "%s: %s of %s images, %.0f images/s, %.0f min left; top-1 %.1f %% in this epoch",
            self.name,
            f"{done:,}",
            f"{self.total:,}",
            rate,
            (self.total - done) / rate / 60,
            100 * right,
        )
