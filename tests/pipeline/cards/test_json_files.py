"""Damaged JSON files of a checkpoint are named, in a plan and in a run."""

import shutil
from pathlib import Path

import pytest

from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.cards.json_files import components, read_object
from pipeline.errors import ModelError
from tests.contracts.test_own_code import CARD, RECIPE
from tests.in_process import exit_code

DAMAGE = {
    "empty": b"",
    "binary": b"\x93\xff\x00\xfe" * 9,
    "cut": b'{"a": ',
    "a list": b"[1, 2]",
    "a number": b"3",
    "deep": b"[" * 100_000,
}
FILES = ("model_index.json", "scheduler/scheduler_config.json", "vae/config.json")
MODEL = PROJECT_ROOT / "seedling" / "weights" / "seedling-mini"


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(DAMAGE[damage])
    with pytest.raises(ModelError, match=r"a\.json .*get it again"):
        read_object(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model_index\.json is missing or damaged"):
        components(tmp_path)


def test_a_whole_file_is_read() -> None:
    assert {"unet", "vae", "scheduler"} <= set(components(MODEL))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_of_a_model_ends_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    folder = Path(shutil.copytree(MODEL, tmp_path / "model"))
    (folder / name).write_bytes(DAMAGE[damage])
    card = CARD.replace("PATH", "stable_diffusion")
    card = card.replace("seedling/weights/seedling-mini", str(folder))
    (tmp_path / "card.yaml").write_text(card)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("seedling-mini", str(tmp_path / "card.yaml")))
    assert exit_code("generate", recipe, "--out", tmp_path / "run", "--executor", "local") == 2
    assert str(folder / name) in capsys.readouterr().err
