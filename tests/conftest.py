"""What every test runs under: no network, one thread, nothing of the user's settings."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

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
