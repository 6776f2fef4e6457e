"""Names the library that reads weights in prompts, with its version, without importing it."""

import importlib.metadata
import importlib.util
import re

from pipeline.errors import ConfigError

WEIGHTS = re.compile(r"(?<=[\w)\"])(?:\++|-+(?=[\s,.)]|$)|(?<=\))[+-]?\d*\.?\d+)")
"""Weights in compel's syntax: `word++`, `(several words)1.3`."""


def with_version(library: str) -> str:
    """Give a library with its version, which counts in the identity of a run.

    Args:
        library: "compel", or empty for none.

    Raises:
        ConfigError: If it is not installed.
    """
    if not library:
        return ""
    if importlib.util.find_spec(library) is None:
        raise ConfigError(
            f"prompt_weighting needs the library {library}: pip install 'goldenseed[weighting]'"
        )
    version = importlib.metadata.version(library).split(".")
    return f"{library}-{'.'.join(version[:2])}"


def without_weights(text: str) -> str:
    """Remove what compel reads as a weight.

    Example:
        >>> without_weights("a red++ ball, (very round)1.3, well-known")
        'a red ball, (very round), well-known'
    """
    return WEIGHTS.sub("", text)
