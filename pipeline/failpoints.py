"""Named points in a commit at which the tests kill the process, as a power cut would.

A commit is safe only if the process may die between any two of its steps. The tests set
`GOLDENSEED_FAILPOINT` to one of these names, and the process ends at that point without any
clean-up (`os._exit`): the effect of `kill -9`, at a known point.
"""

import os

FAILPOINTS = (
    "before_data",
    "data_written",
    "data_synced",
    "data_validated",
    "receipt_written",
    "receipt_linked",
)
"""All points, in the order in which a commit passes them."""

EXIT_CODE = 137
"""Exit code of a process that died at a failpoint; a shell gives the same after SIGKILL."""


def failpoint(name: str) -> None:
    """End the process here if the environment asks for it; otherwise do nothing.

    `GOLDENSEED_FAILPOINT=name` ends each process that passes this point. With
    `GOLDENSEED_FAILPOINT_ONCE=FILE` it ends only the first, which creates FILE.
    """
    if os.environ.get("GOLDENSEED_FAILPOINT") != name:
        return
    once = os.environ.get("GOLDENSEED_FAILPOINT_ONCE")
    if once is not None:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os._exit(EXIT_CODE)
