"""Make a run of the shipped model once, and call the command in this process."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.in_process import exit_code, run_recipe

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 40}
seeds: {start: 0, count: 8}
tile: {seeds: 4, prompts: 8}
batch_size: 16
sampling: {num_inference_steps: 2}
features: [perceptual, appearance]
metrics: [kid_perceptual, brightness]
ranking: {metric: kid_perceptual}
"""


class Called(NamedTuple):
    """The exit code and the output of a call."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command with arguments, in this process."""

    def run(*arguments: object) -> Called:
        capsys.readouterr()
        return Called(exit_code(*arguments), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `recipe.yaml` and its finished run in `run/`. Do not change it."""
    folder = tmp_path_factory.mktemp("made")
    run_recipe(folder, RECIPE)
    return folder


@pytest.fixture
def recipe(made: Path) -> Path:
    """The recipe of the finished run."""
    return made / "recipe.yaml"


@pytest.fixture
def run_folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may damage."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))
