"""Make a tiny preference model of the class of the published models, in open_clip's layout."""

from pathlib import Path

from tests.analysis.features.card_files import write_card_file
from tests.analysis.features.tiny_clip import write_folder


def write_card(folder: Path, version: str = "v2.0") -> Path:
    """Write a checkpoint and its card."""
    weights = write_folder(folder / "hps", seed=1)
    return write_card_file(folder, "hps", weights, options={"version": version})
