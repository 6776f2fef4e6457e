from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pipeline.runs.run import Run
from tests.analysis.publish.report import planted
from tests.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def ranked_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A ranked run with hostile prompts, for all pages; nobody draws more of it."""
    return planted.ranked(tmp_path_factory.mktemp("ranked") / "run")
