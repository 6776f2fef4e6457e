"""How long the tests search: seconds in `make test`, minutes in `make test-all`."""

import os

from hypothesis import settings

LONG = os.environ.get("GOLDENSEED_LONG_TESTS") == "1"
"""Whether this is `make test-all`."""
LONGER = 20
"""How many times as many examples that is."""


def examples(count: int, **changes: int) -> settings:
    """Settings for a test that tries so many examples, and many more in `make test-all`.

    There they differ from run to run, so that each run finds what the earlier ones did not.
    """
    number = count * LONGER if LONG else count
    return settings(
        max_examples=number, deadline=None, derandomize=not LONG, print_blob=True, **changes
    )
