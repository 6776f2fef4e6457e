"""The key of a comparison: which side each image is of. Raters never get it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigError

KEY_FILE = "key.json"
KEY_FORMAT = "goldenseed comparison 1"


@dataclass(frozen=True)
class KeyPair:
    """A pair as the key knows it.

    Attributes:
        prompt_id: Its prompt.
        group: The prompt's group.
        seeds: The seed of each side.
        left: The side that the page shows on the left: 0 or 1.
        scores: Metric -> the number of each side's image; only metrics that know both.
    """

    prompt_id: str
    group: str
    seeds: tuple[int, int]
    left: int
    scores: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Key:
    """What a page hides.

    Attributes:
        sides: Names of the two sides.
        runs: Run id of each side.
        ranked_by: The metric that ranked the lists of seeds; "" where two runs are compared.
        higher: Metric -> whether higher values are better.
        salt: Random text, so that nobody can compute the sides from the run.
        pairs: The pairs in the order of their numbers.
    """

    sides: tuple[str, str]
    runs: tuple[str, str]
    ranked_by: str
    higher: Mapping[str, bool]
    salt: str
    pairs: tuple[KeyPair, ...]

    @property
    def page(self) -> str:
        """The id of the page, which each file of votes repeats: 16 hex digits."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Write the key."""
        fields = {"format": KEY_FORMAT, "page": self.page, **self._content()}
        return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = TypeAdapter(Key).dump_python(self, mode="json")
        return content


def read_key(folder: Path) -> Key:
    """Read the key of a comparison.

    Args:
        folder: What `goldenseed compare` wrote.

    Raises:
        ConfigError: If there is none, or it was changed.
    """
    path = folder / KEY_FILE
    try:
        fields = json.loads(path.read_text("utf-8"))
        page = fields.pop("page")
        if fields.pop("format") != KEY_FORMAT:
            raise ConfigError(f"{path} has another format than {KEY_FORMAT!r}")
        key = TypeAdapter(Key).validate_python(fields)
    except OSError as error:
        raise ConfigError(
            f"{folder} holds no {KEY_FILE}; give the folder that `goldenseed compare` wrote"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        words = "a field is missing or wrong" if isinstance(error, ValidationError) else str(error)
        raise ConfigError(f"{path} is damaged: {words}; bring back a copy of it") from error
    if key.page != page:
        raise ConfigError(f"{path} was changed: its content is not that of page {page}")
    return key
