"""What the tests of the documentation share."""

import importlib.util
from types import ModuleType

import pytest

from tests.docs.reading import DOCS


@pytest.fixture(scope="session")
def fill() -> ModuleType:
    """The script that fills in the pages."""
    spec = importlib.util.spec_from_file_location("fill", DOCS / "tools" / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
