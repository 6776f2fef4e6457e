"""What the tests of `goldenseed init` share: prompts, a tiny model, and writing a recipe."""

from pathlib import Path

import pytest

from pipeline.cards.card import load_cards
from tests.goldenseed.conftest import Call
from tests.pipeline import tiny

FOLDER = "seedling/weights/seedling-mini"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "p.txt"
    file.write_text("\n".join(f"thing {number}" for number in range(16)))
    return file


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SD 2.0's classes with tiny weights."""
    folder = tmp_path_factory.mktemp("tiny") / "my-model"
    tiny.checkpoint(folder, load_cards()["sd2"])
    return folder


def write(call: Call, prompts: Path, *options: object, model: object = FOLDER) -> Path:
    called = call("init", "--model", model, "--prompts", prompts, "--device", "cpu", *options)
    assert called.code == 0, called.err
    file = prompts.with_name("study.yaml")
    file.write_text(called.out)
    return file
