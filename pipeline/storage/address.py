"""Tells where a run lives: in a local folder, or in an object store, as s3://bucket/run."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError

SCHEMES = ("s3", "gs", "az")
"""Object stores that may hold a run: Amazon S3 and what speaks its protocol, Google, Azure."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}")
"""How an address begins. `Path` makes one slash of two; one letter before a colon is a drive."""


@dataclass(frozen=True)
class Address:
    """The address of a folder in an object store; it joins and prints as a path does.

    Attributes:
        bucket: Scheme and bucket, for example "s3://bucket".
        parts: The names below the bucket.
    """

    bucket: str
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The address as text."""
        return "/".join((self.bucket, *self.parts))

    def __truediv__(self, below: str) -> "Address":
        """The address of what lies below; empty text gives the same address."""
        return Address(self.bucket, (*self.parts, *(name for name in below.split("/") if name)))

    @property
    def name(self) -> str:
        """The last name in the address."""
        return self.parts[-1] if self.parts else self.bucket.partition("://")[2]


Place = Path | Address
"""Where a run may live."""


def place_of(text: str | Place) -> Place:
    """Tell where a run lives from what a user gave.

    Args:
        text: A path, or an address such as s3://bucket/run.

    Raises:
        ConfigError: If it is an address of another kind, or names no bucket, or holds a password or
            `..`.

    Example:
        >>> str(place_of("s3://bucket/runs/") / "seedling")
        's3://bucket/runs/seedling'
        >>> place_of("runs/seedling").name
        'seedling'
    """
    if isinstance(text, Address):
        return text
    match = _ADDRESS.match(str(text))
    if match is None:
        return Path(text)
    scheme, rest = match[1].lower(), str(text)[match.end() :]
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigError(f"no run can live at {scheme}://...: wanted a local folder, or {known}")
    bucket, *names = rest.split("/")
    if not bucket or re.search(r"[@?#\s]", rest) or ".." in names:
        raise ConfigError(
            f"an address is {scheme}://BUCKET/FOLDER, with plain names; credentials come from the "
            f"environment and are no part of it"
        )
    return Address(f"{scheme}://{bucket}") / "/".join(names)


def local_path(text: str | Place) -> Path:
    """Take a path on a disk that this machine sees.

    Args:
        text: What a user gave.

    Raises:
        ConfigError: If it is an address, which would become a folder named `s3:`.

    Example:
        >>> local_path("s3://bucket/run")
        Traceback (most recent call last):
        ...
        pipeline.errors.ConfigError: s3://bucket/run is an address, and a path on a disk is wanted \
here. A run in an object store is copied to a folder by `goldenseed copy s3://bucket/run FOLDER`
    """
    place = place_of(text)
    if isinstance(place, Address):
        raise ConfigError(
            f"{place} is an address, and a path on a disk is wanted here. A run in an object store "
            f"is copied to a folder by `goldenseed copy {place} FOLDER`"
        )
    return place
