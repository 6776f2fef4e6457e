"""`python -m goldenseed` is the command `goldenseed`."""

import sys
from pathlib import Path


def _put_working_folder_last() -> None:
    """Let a folder `pipeline` or `analysis` of the user's not hide the package of that name.

    `python -m` searches the working folder first. From a checkout, that folder is the right one.
    """
    if not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__file__).parents[1]:
        sys.path.append(sys.path.pop(0))


if __name__ == "__main__":
    _put_working_folder_last()

    from goldenseed.cli import main

    main()
