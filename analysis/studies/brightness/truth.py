"""Read the true brightness of prompts, to compare images with, from a file of the user."""

import json
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.runs.run import Run


def read_truth(run: Run, file_name: str) -> dict[str, float]:
    """Read the mean luma that images of each prompt should have.

    Args:
        run: The run.
        file_name: JSON file, by its absolute path, or relative to the run's folder or to the
            working directory.

    Returns:
        Prompt text -> mean luma, 0 to 1; empty if `file_name` is empty.

    Raises:
        ConfigError: If the file is missing or does not have this form.
    """
    if not file_name:
        return {}
    relative = run.folder / file_name
    path = relative if relative.is_file() else Path(file_name)
    try:
        content = json.loads(path.read_bytes())
        return {str(text): float(row["mean"]) for text, row in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not a JSON file of the true brightness of prompts ({error}); to make one "
            f"for the seedling's world, run `python -m seedling.measure.brightness`"
        ) from error
