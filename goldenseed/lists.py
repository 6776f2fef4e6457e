"""Reading published seed lists."""

import json
from pathlib import Path

from pipeline.errors import RunError


def golden_seeds(release: str | Path) -> list[int]:
    """The golden seeds of a release, best first.

    Args:
        release: A release folder, or its `golden_seeds.json`.

    Returns:
        The seeds. Empty if the release found none, which is a result too.

    Raises:
        RunError: If it is not a release.

    Example:
        >>> golden_seeds("no-such-folder")
        Traceback (most recent call last):
        ...
        pipeline.errors.RunError: no-such-folder/golden_seeds.json cannot be read: ...
    """
    path = Path(release)
    path = path / "golden_seeds.json" if path.suffix != ".json" else path
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["seeds"]
        return [int(row["seed"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read: {error}; give a release folder") from error
