"""A checkpoint's files are hashed once per process, and again when they change."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.cards import known_hashes
from pipeline.cards.card import find_card, resolve
from pipeline.drawing.stage.loading import load_model
from pipeline.errors import RunError
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe, load_recipe
from pipeline.storage import file_hashes

HOUR = 3600


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The files that are hashed, one entry per time."""
    paths: list[Path] = []

    def counted(path: Path) -> str:
        paths.append(path)
        return file_hashes.sha256_of_file(path)

    monkeypatch.setattr(known_hashes, "sha256_of_file", counted)
    known_hashes._sha256.cache_clear()
    yield paths
    known_hashes._sha256.cache_clear()


def make_old(path: Path, seconds: int = HOUR) -> None:
    """Move a file's time of change into the past."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_card_is_hashed_once_from_the_recipe_to_the_loaded_model(
    hashed: list[Path], tmp_path: Path
) -> None:
    """What `goldenseed run` does with two arms and a new actor for each."""
    arms = {"a": {}, "b": {"guidance_scale": 1.0}}
    recipe = Recipe.model_validate({**load_recipe("seedling-mini").model_dump(), "arms": arms})
    files = resolve(find_card(recipe.card))
    once = sorted(hashed)
    assert len(once) == len(set(once)) > 3
    for arm, config in recipe.run_configs(files).items():
        load_model(Run.start(tmp_path / arm, config, recipe))
    assert sorted(hashed) == once


def test_an_actor_refuses_files_that_changed_since_the_run_began(
    hashed: list[Path], tmp_path: Path
) -> None:
    """The negative control: the same size and the same time of change, other bytes."""
    shipped = find_card("seedling-mini")
    folder = Path(shutil.copytree(resolve(shipped).folder, tmp_path / "checkpoint"))
    for path in folder.rglob("*"):
        make_old(path)
    card = shipped.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump({**card, "path": str(folder)}))
    recipe = load_recipe("seedling-mini").model_copy(update={"card": str(tmp_path / "card.yaml")})
    config = recipe.run_configs(resolve(find_card(recipe.card)))[""]
    run = Run.start(tmp_path / "run", config, recipe)
    load_model(run)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    before = weights.stat()
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(RunError, match="are not those that"):
        load_model(run)


def test_a_file_that_was_just_written_is_hashed_every_time(
    hashed: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"a")
    first = known_hashes.known_sha256(path)
    path.write_bytes(b"b")
    assert known_hashes.known_sha256(path) != first
    make_old(path)
    old = known_hashes.known_sha256(path)
    assert known_hashes.known_sha256(path) == old
    assert len(hashed) == 3
