"""Errors that the user can fix: what was found, what was wanted, what to do.

The command prints the message of a `GoldenseedError` without a traceback. Every other exception is
a defect of this program and keeps its traceback.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "GoldenseedError",
    "ImageFileError",
    "IncompleteError",
    "ModelError",
    "PromptError",
    "RegistryError",
    "RunError",
    "ShardError",
    "StoreError",
    "UnreachableError",
    "nearest",
]


class GoldenseedError(ValueError):
    """Base of all errors that the user can fix: something outside the program is wrong."""


class ConfigError(GoldenseedError):
    """A recipe or a setting is malformed, unknown or out of range."""


class PromptError(GoldenseedError):
    """A prompt file, or a prompt in it, cannot be used."""


class RegistryError(GoldenseedError):
    """A name is not in a registry, or its class cannot be loaded."""


class ModelError(GoldenseedError):
    """A checkpoint, a device or a compiler that a card asks for is missing."""


class ImageFileError(GoldenseedError):
    """An image file of the user is damaged, too large, too small, or of an unsupported kind."""


class RunError(GoldenseedError):
    """A folder is not a run, has another schema version, or is not in the state that is needed."""


class IncompleteError(GoldenseedError):
    """Work ended before it was done, without a mistake in the input; the same command continues."""


class ShardError(GoldenseedError):
    """A shard or its receipt is missing, truncated or changed."""


class StoreError(GoldenseedError):
    """A store cannot be read or written: full disk, no permission, path not shared."""


class UnreachableError(StoreError, IncompleteError):
    """A store does not answer now; the same command continues when it does."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun in the singular or the plural.

    Args:
        count: The number.
        noun: The noun for one.
        plural: The noun for several, if it is not the noun with an s. Both may hold further words,
            such as a verb.

    Example:
        >>> counted(1, "shard"), counted(1_200, "shard"), counted(0, "batch", "batches")
        ('1 shard', '1,200 shards', '0 batches')
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Suggest known names for a mistyped name.

    Args:
        name: The name that was typed. Case does not matter.
        names: The known names.

    Returns:
        `did you mean 'a' or 'b'? ` (at most three names, nearest first, with a space at the end,
        so that more text can follow), or an empty string if no name is near.

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
