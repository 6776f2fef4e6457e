"""Tells the address of an object store, such as s3://bucket/run, from a path on a disk."""

import re
from pathlib import Path

from pipeline.errors import ConfigError

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How an address begins. `Path` makes one slash of two; one letter before a colon is a drive."""


def local_path(text: str | Path) -> Path:
    """Take a path on a disk that this machine sees.

    Args:
        text: What a user gave.

    Raises:
        ConfigError: If it is an address, which would become a folder named `s3:`.

    Example:
        >>> local_path("runs/seedling").name
        'seedling'
        >>> local_path("s3://bucket/run")
        Traceback (most recent call last):
        ...
        pipeline.errors.ConfigError: s3://bucket/run is an address, and a path on a disk is wanted \
here: mount the store as a folder, or choose a local folder
    """
    if _ADDRESS.match(str(text)):
        address = re.sub(":/+", "://", str(text), count=1)
        raise ConfigError(
            f"{address} is an address, and a path on a disk is wanted here: mount the store as a "
            f"folder, or choose a local folder"
        )
    return Path(text)
