"""Call the command in this process."""

import sys
from pathlib import Path

import pytest

from goldenseed.cli import main


def exit_code(*arguments: object) -> int:
    """Call the command with arguments and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["goldenseed", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


def run_recipe(folder: Path, recipe: str) -> Path:
    """Write `recipe.yaml` into a folder, run it to its end, and return the run folder."""
    (folder / "recipe.yaml").write_text(recipe)
    out = folder / "run"
    assert exit_code("run", folder / "recipe.yaml", "--out", out, "--executor", "local") == 0
    return out
