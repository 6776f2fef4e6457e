"""What the tests of the relatives' trainings share."""

from pathlib import Path

import pytest

from seedling.learning.relatives import Base
from tests.seedling import tiny_base


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny seedling of this file's tests is published."""
    return tmp_path_factory.mktemp("base") / "seedling"


@pytest.fixture(scope="module")
def base(place: Path) -> Base:
    """A tiny published seedling, made once a file."""
    return tiny_base.write_base(place)
