"""A real run of the shipped model, made once, and the command called in this process."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from goldenseed.cli import main

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 40}
seeds: {start: 0, count: 8}
tile: {seeds: 4, prompts: 8}
batch_size: 16
sampling: {num_inference_steps: 2}
features: [perceptual, appearance]
metrics: [kid_perceptual, brightness]
"""


class Called(NamedTuple):
    """What a call of the command came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command with arguments, in this process."""

    def run(*arguments: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["goldenseed", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        assert isinstance(stop.value.code, int)
        return Called(stop.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `recipe.yaml` and its finished run in `run/`. Do not change it."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "recipe.yaml").write_text(RECIPE)
    arguments = ["run", str(folder / "recipe.yaml"), "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["goldenseed", *arguments, "--executor", "local"])
        with pytest.raises(SystemExit) as stop:
            main()
    assert stop.value.code == 0
    return folder


@pytest.fixture
def recipe(made: Path) -> Path:
    """The recipe of the finished run."""
    return made / "recipe.yaml"


@pytest.fixture
def run_folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt at will."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))
