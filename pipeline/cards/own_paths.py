"""Resolves relative paths in files that users write: they start at the folder of the file."""

import os
from pathlib import Path

from pipeline.cards.checkpoints import PROJECT_ROOT


def beside(path: str, folder: Path) -> str:
    """Resolve a relative path.

    A path that does not exist there, but does below the project, stays as it is: it names a file
    that ships with goldenseed.

    Args:
        path: The path; one that is absolute or empty stays as it is.
        folder: The folder of the file that names it.

    Returns:
        The path, absolute.

    Example:
        >>> beside("../models/mine", Path("/home/me/recipes"))
        '/home/me/models/mine'
    """
    own = Path(os.path.normpath(folder.absolute() / path))
    if not path or (not own.exists() and (PROJECT_ROOT / path).exists()):
        return path
    return str(own)
