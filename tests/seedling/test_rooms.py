"""Test that training and making commands share code only through lower folders.

The order of the folders is a contract of import-linter in pyproject.toml.
"""

import ast
from pathlib import Path

import pytest

import seedling

ROOT = Path(seedling.__file__).parent


def imports_from(folder: str, source: str) -> bool:
    """Whether a file imports anything from a folder of `seedling`."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return any(f"{name}.".startswith(f"seedling.{folder}.") for name in modules)


@pytest.mark.parametrize("folder", ["train", "make"])
def test_a_command_imports_no_other_command_of_its_folder(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py"):
        assert not imports_from(folder, path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    "line",
    [
        "from seedling.train.turbo import train",
        "import seedling.train.vae",
        "from seedling import train",
    ],
)
def test_such_an_import_is_caught(line: str) -> None:
    assert imports_from("train", line)
    assert not imports_from("make", line)
