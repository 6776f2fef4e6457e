"""Read how bright the true images of the prompts are, from a file of the user."""

import json
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.runs.run import Run


def read_truth(run: Run, file: str) -> dict[str, float]:
    """Read the mean luma of true images, by the text of their prompt.

    Args:
        run: The run.
        file: JSON file, relative to the run's folder or to the current one; or absolute.

    Returns:
        Prompt text -> mean luma, 0 to 1; empty if no file is named.

    Raises:
        ConfigError: If the file is missing or does not have this form.
    """
    if not file:
        return {}
    path = run.root / file if (run.root / file).is_file() else Path(file)
    try:
        content = json.loads(path.read_bytes())
        return {str(text): float(row["mean"]) for text, row in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not a file of true brightness ({error}): make one for the seedling's world "
            f"with `python -m seedling.measure.brightness`"
        ) from error
