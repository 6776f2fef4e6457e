"""What every test runs under: no network, one thread, nothing of the user's settings."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.object_server import Server

# Before anything imports the libraries that read them once.
os.environ.update(
    {
        "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TOKENIZERS_PARALLELISM": "false",
    }
)

# The width of the terminal in which the tests run, at which the command would fold its lines.
os.environ.pop("COLUMNS", None)

# A loaded machine is no failure, and a failure must come back on the next run.
settings.register_profile("goldenseed", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("goldenseed")


@pytest.fixture(scope="session", autouse=True)
def _own_classes() -> None:
    """Let the tests name their own classes; `tests/contracts/test_own_code.py` takes it back."""
    from pipeline.registry import allow_code

    allow_code()


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def command() -> Path:
    """The installed `goldenseed` command, beside the Python that runs the tests."""
    path = Path(sys.executable).with_name("goldenseed")
    assert path.is_file(), f"{path} is missing; install with: pip install -e '.[dev]'"
    return path


@pytest.fixture(scope="session")
def s3_server() -> "Iterator[Server]":
    """An S3 server on this machine."""
    from tests.object_server import serving

    with serving() as server:
        yield server


@pytest.fixture
def s3(s3_server: "Server", monkeypatch: pytest.MonkeyPatch) -> "Server":
    """The S3 server, and an environment that leads to it."""
    from tests.object_server import KEY_ID, SECRET

    s3_server.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return s3_server
