"""Errors that are the user's to mend: what was found, what was wanted, what to do.

The command prints the message of a `GoldenseedError` without a traceback; every other
exception is a defect of this program and keeps its traceback.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "GoldenseedError",
    "ImageFileError",
    "ModelError",
    "PromptError",
    "RegistryError",
    "RunError",
    "ShardError",
    "StoreError",
    "nearest",
]


class GoldenseedError(ValueError):
    """The root: something outside the program is not as it must be."""


class ConfigError(GoldenseedError):
    """A recipe or a setting is malformed, unknown or out of its range."""


class PromptError(GoldenseedError):
    """A prompt file or a prompt in it cannot be used."""


class RegistryError(GoldenseedError):
    """A name is in no table, or what it names cannot be loaded."""


class ModelError(GoldenseedError):
    """A checkpoint, a device or a compiler that a card asks for is not there."""


class ImageFileError(GoldenseedError):
    """A picture from outside is damaged, too large, too small, or of a kind not taken."""


class RunError(GoldenseedError):
    """A run folder is not one, is of another schema, or is not in the state wanted."""


class ShardError(GoldenseedError):
    """A shard or its receipt is missing, truncated or changed."""


class StoreError(GoldenseedError):
    """A store cannot be read or written: a full disk, no permission, an unshared path."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which of the known names a mistyped one may have meant.

    Args:
        name: What was typed. Case does not matter.
        names: The known names.

    Returns:
        `did you mean 'a' or 'b'? ` (at most three, nearest first, one space at the end, so
        that more text can follow), or the empty string when nothing is near.

    Example:
        >>> nearest("seedling-mni", ["sd2", "seedling-mini"])
        "did you mean 'seedling-mini'? "
        >>> nearest("zzz", ["sd2", "seedling-mini"])
        ''
    """
    by_fold = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)
    if not close:
        return ""
    return f"did you mean {' or '.join(repr(by_fold[fold]) for fold in close)}? "
