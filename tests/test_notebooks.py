"""Each notebook runs from top to bottom on small runs, and was committed with its outputs."""

import json
import os
import resource
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest

from tests.in_process import exit_code
from tests.notebooks import FOLDER, SECONDS, execute, notebook_paths

NOTEBOOKS = notebook_paths()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Parts of the two runs that the notebooks look at, drawn once for all of them."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seeds, prompts in (("tour", 8, 24), ("cures", 2, 8)):
        recipe, grid = FOLDER / "recipes" / f"{name}.yaml", ("--seeds", seeds, "--prompts", prompts)
        out = ("--out", folder / name, "--executor", "local")
        assert exit_code("run", recipe, *grid, *out) == 0
    folders = {"GOLDENSEED_RUN": folder / "tour", "GOLDENSEED_CURES": folder / "cures"}
    return {**os.environ, **{name: str(path) for name, path in folders.items()}}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore:.*Proactor event loop.*:RuntimeWarning")
def test_notebook(path: Path, environment: Mapping[str, str]) -> None:
    committed = nbformat.read(path, as_version=4)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    again = execute(path, environment)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < SECONDS
    assert kinds(again) == kinds(committed), "run python -m tests.notebooks"
    pictures = [kind for cell in kinds(again) for kind in cell if kind == "image/png"]
    assert len(pictures) >= 2


def kinds(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """The kinds of each cell's outputs: "stream", or the richest of its forms."""
    return [
        [
            next((form for form in ("image/png", "text/html") if form in data), "text/plain")
            if (data := output.get("data"))
            else output["output_type"]
            for output in cell.get("outputs", [])
        ]
        for cell in notebook.cells
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_committed_whole_small_and_without_paths(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 800_000
    notebook = nbformat.from_dict(json.loads(text))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "run python -m tests.notebooks"
    outputs = json.dumps([cell.outputs for cell in code])
    assert '"error"' not in outputs
    for private in (str(FOLDER.parent), "/tmp/", "/home/"):
        assert private not in outputs


def test_there_are_six_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "brightness_and_its_cures", "classifier", "first_look", "golden_seeds_in_diffusers",
        "quality_and_rankings", "style_and_layout",
    ]  # fmt: skip
