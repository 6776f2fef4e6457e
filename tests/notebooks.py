"""Execute the notebooks and keep their outputs: `python -m tests.notebooks`.

The runs that they look at must be there: see the recipes in notebooks/recipes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
SECONDS = 40
"""What a notebook may take of a CPU."""


def notebook_paths() -> list[Path]:
    """List all notebooks."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path, environment: Mapping[str, str]) -> nbformat.NotebookNode:
    """Execute a notebook from top to bottom in a new kernel.

    Args:
        path: The notebook.
        environment: Environment variables of its kernel.

    Returns:
        The notebook with its new outputs, without what was written to stderr, and without times.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}})
    client.execute(env=dict(environment))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


def main() -> None:
    """Execute all notebooks on the runs in runs/, and write their outputs."""
    for path in notebook_paths():
        nbformat.write(execute(path, os.environ), path)


if __name__ == "__main__":
    main()
