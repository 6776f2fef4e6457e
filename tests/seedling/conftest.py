"""Fixtures of the tests of the relatives."""

from pathlib import Path

import pytest

from seedling.learning.relatives import Base
from tests.seedling import tiny_base


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which a tiny seedling is published."""
    return tmp_path_factory.mktemp("base") / "seedling"


@pytest.fixture(scope="module")
def base(base_folder: Path) -> Base:
    """A tiny published seedling, made once per test file."""
    return tiny_base.write_base(base_folder)
