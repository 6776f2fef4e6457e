"""Folders of shipped weights and figures, and of checkpoints."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the shipped weights."""
FIGURES = Path(__file__).parent / "figures"
"""Folder of the shipped measurements and figures."""
CHECKPOINTS = Path("checkpoints")
"""Folder of checkpoints, in the working directory; git ignores it."""
