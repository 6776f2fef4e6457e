"""Folders of `seedling` import downwards only."""

import ast
from pathlib import Path

import pytest

import seedling

ROOT = Path(seedling.__file__).parent
LEVELS = {
    **{"randomness": 0, "output": 0, "folders": 0},
    "world": 1,
    "networks": 2,
    "learning": 3,
    **{"train": 4, "make": 4, "publish": 4},
    "measure": 5,
}
"""Folder or file -> its level. `measure` is above `train`, because the pilot trains what it
measures. Commands of one folder share code only through lower levels."""


def imported_rooms(source: str) -> set[str]:
    """The folders of `seedling` that a file imports from."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "seedling":
            modules += [f"seedling.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return {name.split(".")[1] for name in modules if name.startswith("seedling.")}


def upward(room: str, source: str) -> set[str]:
    """The folders beside or above `room` that a file in it imports from."""
    return {
        other for other in imported_rooms(source) if other != room and LEVELS[other] >= LEVELS[room]
    }


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_folder_imports_only_from_folders_below_it(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if room != "__init__":
        assert not upward(room, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", ["train", "make"])
def test_a_command_imports_no_other_command_of_its_folder(command: str) -> None:
    for path in (ROOT / command).glob("*.py"):
        assert command not in imported_rooms(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("learning", "from seedling.train.turbo import GUIDANCE"),
        ("networks", "import seedling.learning.loop"),
        ("world", "from seedling import networks"),
        ("train", "from seedling.publish import publish"),
    ],
)
def test_upward_imports_are_caught(room: str, line: str) -> None:
    assert upward(room, line)
